"""Partial files: where the bytes of a download gather, and the record of whose bytes they are."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from sigzoo.artifacts.home import StorageError, storage_errors, unlink_if_exists
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.common.redaction import redacted

__all__ = [
    "PartRecord",
    "discard_part",
    "opened_part",
    "part_path",
    "part_size",
    "read_record",
    "record_path",
]

_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,256}"')
_DATE = re.compile(r"[A-Za-z0-9,:+ -]{8,64}")


@dataclass(frozen=True)
class PartRecord:
    """Whose bytes a partial file holds."""

    url: str
    """Without its secrets."""
    total: int | None
    """Bytes of the whole file, where the server said so."""
    etag: str | None
    last_modified: str | None

    @classmethod
    def from_headers(cls, url: str, total: int | None, headers: Mapping[str, str]) -> PartRecord:
        """Take from an answer what can be sent back as it is; a validator of another form is none."""
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        return cls(
            redacted(url), total, etag if _is_etag(etag) else None, modified if _is_date(modified) else None
        )

    @property
    def strong_etag(self) -> str | None:
        """The ETag, where it promises the same bytes."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag


def part_path(target: Path) -> Path:
    """Return where the bytes of `target` gather until they are whole."""
    return target.with_name(f"{target.name}.part")


def record_path(part: Path) -> Path:
    """Return where the record of a partial file lies."""
    return part.with_name(f"{part.name}.json")


def read_record(part: Path) -> PartRecord | None:
    """Read whose bytes a partial file holds; `None` where nothing or nothing of sense is recorded."""
    found = read_json(record_path(part)) or {}
    url, total = found.get("url"), found.get("total")
    etag, modified = found.get("etag"), found.get("last_modified")
    is_size = total is None or (type(total) is int and total >= 0)
    fits = (
        isinstance(url, str) and is_size and _is_etag(etag, or_none=True) and _is_date(modified, or_none=True)
    )
    return PartRecord(str(url), total, etag, modified) if fits else None


def part_size(part: Path) -> int:
    """Bytes that have gathered; 0 where there is no partial file of our own making."""
    try:
        found = part.lstat()
    except OSError:
        return 0
    return found.st_size if _is_own(found) else 0


def discard_part(part: Path) -> None:
    """Remove a partial file and what is known about it.

    Raises
    ------
    StorageError
        If it is there and cannot be removed.
    """
    unlink_if_exists(record_path(part))
    unlink_if_exists(part)


@contextmanager
def opened_part(part: Path, start: int, record: PartRecord) -> Iterator[FileIO]:
    """Open a partial file for writing from `start` on; its record lies beside it before any new byte.

    What stands there and is not a plain file of this user's, with one name, makes room for a new
    one: through a link the bytes would go into another file.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    if start == 0:
        unlink_if_exists(record_path(part))
    with storage_errors(part):
        if os.path.lexists(part) and not _is_own(part.lstat()):
            part.unlink()
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(part, flags, 0o666)
    # Unbuffered: what a killed process has received is in the file.
    with FileIO(handle, "wb") as file:
        if not _is_own(os.fstat(handle)) or os.fstat(handle).st_size < start:
            raise StorageError(f"{part} is no longer the file that was begun; try again.")
        if start == 0:
            write_json(record_path(part), asdict(record))
        with storage_errors(part):
            file.seek(start)
            file.truncate()
        yield file


def _is_own(found: os.stat_result) -> bool:
    owner = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and owner


def _is_etag(value: object, *, or_none: bool = False) -> bool:
    return (value is None and or_none) or (isinstance(value, str) and _ETAG.fullmatch(value) is not None)


def _is_date(value: object, *, or_none: bool = False) -> bool:
    return (value is None and or_none) or (isinstance(value, str) and _DATE.fullmatch(value) is not None)
