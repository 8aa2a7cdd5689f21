"""The first-seen digests of artifacts for which nobody published one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import cache_home
from sigzoo.artifacts.json_records import read_record, update_json
from sigzoo.errors import VerificationError

__all__ = ["check", "forget", "pins_path", "record", "recorded"]

_log = logging.getLogger("sigzoo.artifacts")


def pins_path() -> Path:
    """Return the path of the record: JSON, artifact -> sha256, size, first_seen, source."""
    return cache_home() / "pins.json"


def recorded(name: str) -> str | None:
    """Return the SHA-256 that was seen first, or `None`.

    Raises
    ------
    ArtifactError
        If the record is damaged.
    """
    entry = read_record(pins_path()).get(name)
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    return digest if isinstance(digest, str) else None


def check(name: str, sha256: str) -> None:
    """Compare a digest with the recorded one, if there is one.

    Raises
    ------
    VerificationError
        If they differ.
    """
    first = recorded(name)
    if first is not None and first != sha256:
        raise VerificationError(
            f"sha256 is {sha256} instead of {first}, which was recorded at the first fetch; if you know that "
            f"the publisher changed the file, take the entry {name!r} out of {pins_path()}"
        )


def record(name: str, sha256: str, size: int, source: str) -> None:
    """Record the digest of an unpinned artifact if it is the first, and tell of it.

    Raises
    ------
    VerificationError
        If another process recorded another digest meanwhile.
    StorageError
        If the record cannot be written.
    """
    if recorded(name) is None:

        def change(pins: dict[str, Any]) -> dict[str, Any]:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            first = {"sha256": sha256, "size": size, "first_seen": now, "source": source}
            return {name: first} | pins

        update_json(pins_path(), change)
        _log.warning(
            "sigzoo: nobody published a digest of %s; the file from %s has sha256 %s, which is recorded "
            "in %s and must stay the same from now on.",
            name,
            source,
            sha256,
            pins_path(),
        )
    check(name, sha256)


def forget(name: str) -> bool:
    """Take an artifact out of the record; whether it was there.

    Raises
    ------
    StorageError
        If the record cannot be written.
    """
    if recorded(name) is None:
        return False
    update_json(pins_path(), lambda pins: {key: value for key, value in pins.items() if key != name})
    return True
