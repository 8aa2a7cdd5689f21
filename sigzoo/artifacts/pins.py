"""The first-seen digests of artifacts for which nobody published one."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import cache_home
from sigzoo.artifacts.json_records import read_record, update_json
from sigzoo.common.redaction import redacted
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ArtifactError, VerificationError

__all__ = ["check", "forget", "pins_path", "record", "recorded"]

_SHA256 = re.compile(r"[0-9a-f]{64}")

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
    record = read_record(pins_path())
    if name not in record:
        return None
    entry = record[name]
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ArtifactError(
            f"the entry {name!r} of {pins_path()} is damaged: it holds no SHA-256, so that any content would"
            f" pass. {_how_to_forget(name)} records the file anew, at its next fetch."
        )
    return digest


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
            f"sha256 is {sha256} instead of {first}, which was recorded at the first fetch as that of"
            f" {name!r} in {pins_path()}; if you know that the publisher changed the file, or that the first"
            f" one was wrong, {_how_to_forget(name)} forgets it"
        )


def record(name: str, sha256: str, size: int, source: str) -> None:
    """Record the digest of an unpinned artifact if it is the first, and log it.

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
            first = {"sha256": sha256, "size": size, "first_seen": now, "source": redacted(source)}
            return {name: first} | pins

        update_json(pins_path(), change)
        _log.warning(
            "sigzoo: nobody published a digest of %s; the file from %s has sha256 %s, which is recorded "
            "in %s and must stay the same from now on. Should it prove to be the wrong file, "
            "`sigzoo cache clear %s --forget` forgets it.",
            name,
            safe_text(redacted(source)),
            sha256,
            pins_path(),
            name,
        )
    check(name, sha256)


def forget(name: str) -> bool:
    """Take an artifact out of the record; whether it was there.

    Raises
    ------
    StorageError
        If the record cannot be written.
    """
    if name not in read_record(pins_path()):
        return False
    update_json(pins_path(), lambda pins: {key: value for key, value in pins.items() if key != name})
    return True


def _how_to_forget(name: str) -> str:
    return f"`sigzoo cache clear {name} --forget`"
