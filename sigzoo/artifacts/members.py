"""Members of zip archives, extracted one by one and no further than they may."""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from sigzoo.artifacts.home import StorageError, cache_home, discard, keeping, make_folder, write_blocks
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.pages import printable
from sigzoo.artifacts.verification import digests_of, unchanged
from sigzoo.errors import ArtifactError

__all__ = ["MAX_MEMBER_SIZE", "member"]

MAX_MEMBER_SIZE = 1 << 31
"""Bytes that one member may have; the largest published weight file has 67 million."""

_BLOCK = 1 << 20
_ENCRYPTED = 0x1
_PLAIN_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises on archives that are not what they say."""


def member(path: Path, name: str, *, limit: int = MAX_MEMBER_SIZE) -> Path:
    """Return the path of one extracted member of a zip archive, extracting it if need be.

    The member is kept in the cache under a name of the cache's own making, with a stamp that
    ties it to the archive: another archive, or a changed member, and it is extracted anew.

    Parameters
    ----------
    path
        The archive, which should be verified.
    name
        The member's full name, or its last part where only one member has that.
    limit
        Bytes it may have at most.

    Raises
    ------
    ArtifactError
        If the archive is damaged or does not hold the member; if the member's name would lead
        out of a folder, exists twice, is a link, is encrypted, or is larger than `limit` or
        than the archive says; names archive and member.
    StorageError
        If the cache cannot be written.
    """
    try:
        archive = path.stat()
    except OSError as error:
        raise ArtifactError(f"cannot read {path} ({error.strerror or error}).") from error
    target = _target(path, name)
    origin = {"archive_size": archive.st_size, "archive_mtime_ns": archive.st_mtime_ns, "member": name}
    if _is_current(target, origin):
        return target
    make_folder(target.parent)
    with locked(f"member-{target.name}", f"extracting {name}"):
        if not _is_current(target, origin):
            _extract(path, name, target, limit)
            found = digests_of(target)
            record = {"sha256": found.sha256, "size": found.size, "mtime_ns": found.mtime_ns}
            with suppress(StorageError):
                write_json(_stamp(target), origin | record)
    return target


def members_folder(path: Path) -> Path:
    """Return where an archive's members are kept: beside it in the cache, else in a folder of their own."""
    resolved = path.resolve()
    if resolved.is_relative_to((cache_home() / "artifacts").resolve()):
        return path.with_name(f"{path.name}.members")
    return cache_home() / "members" / hashlib.sha256(str(resolved).encode()).hexdigest()[:16]


def _target(path: Path, name: str) -> Path:
    leaf = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(name).name)[-100:]
    return members_folder(path) / f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{leaf}"


def _stamp(target: Path) -> Path:
    return target.with_name(f"{target.name}.stamp.json")


def _is_current(target: Path, origin: dict[str, Any]) -> bool:
    record = read_json(_stamp(target))
    if record is None or any(record.get(key) != value for key, value in origin.items()):
        return False
    return unchanged(target, record)


def _extract(path: Path, name: str, target: Path, limit: int) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        with _opened(path) as archive:
            info = _admitted(path, archive, name, limit)
            _pour(path, archive, info, part)
        with keeping(target):
            part.replace(target)
    finally:
        with suppress(StorageError):
            discard(part)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise ArtifactError(f"{path} is no whole zip archive ({error}).") from error


def _pour(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, part: Path) -> None:
    """Write a member block by block, counting, so that a lying size cannot fill the disk."""
    written = write_blocks(part, _blocks(path, archive, info))
    if written != info.file_size:
        raise ArtifactError(
            f"{path}: member {info.filename!r} has {written} bytes instead of {info.file_size}; refused."
        )


def _blocks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as source:
            left = info.file_size
            while left >= 0 and (block := source.read(_BLOCK)):
                left -= len(block)
                yield block
    except _DAMAGE as error:
        why = error or "cut short"
        raise ArtifactError(f"{path}: member {info.filename!r} is damaged ({why}).") from error


def _admitted(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> zipfile.ZipInfo:
    """Return the entry of that name if it may be extracted, judged by the archive's directory alone."""
    info = _found(path, archive, name)
    what = f"{path}: member {info.filename!r}"
    if "\0" in info.orig_filename or "\\" in info.filename or _escapes(info.filename):
        raise ArtifactError(f"{what} has a name that leads out of its folder; refused.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or kind not in {0, stat.S_IFREG}:
        raise ArtifactError(f"{what} is no regular file but a folder, a link or a device; refused.")
    if info.flag_bits & _ENCRYPTED:
        raise ArtifactError(f"{what} is encrypted; refused.")
    if info.compress_type not in _PLAIN_METHODS:
        raise ArtifactError(
            f"{what} is compressed in an uncommon way (method {info.compress_type}); refused."
        )
    if info.file_size > limit:
        raise ArtifactError(f"{what} would have {info.file_size} bytes, more than {limit}; refused.")
    return info


def _escapes(name: str) -> bool:
    pure = PurePosixPath(name)
    return pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]


def _found(path: Path, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    entries = archive.infolist()
    exact = [info for info in entries if info.filename == name]
    hits = exact or [
        info for info in entries if not info.is_dir() and PurePosixPath(info.filename).name == name
    ]
    if not hits:
        held = printable(", ".join(sorted(info.filename for info in entries)[:12])) or "nothing"
        raise ArtifactError(f"{path} holds no member {name!r}; it holds {held}.")
    if len(hits) > 1:
        raise ArtifactError(
            f"{path} holds {len(hits)} members named {name!r}; refused, as one may hide another."
        )
    return hits[0]
