"""Members of zip archives, extracted one by one and no further than they may."""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sigzoo.artifacts.home import (
    StorageError,
    cache_home,
    make_folder,
    storage_errors,
    unlink_if_exists,
    write_blocks,
)
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.ownership import others_may_change
from sigzoo.artifacts.spec import Member
from sigzoo.artifacts.verification import digests_of, file_state, unchanged
from sigzoo.common.limits import FREE_INFLATION, MAX_MEMBER_RATIO, MAX_ZIP_DIRECTORY
from sigzoo.common.messages import quoted, shortened
from sigzoo.common.terminal import safe_text
from sigzoo.common.zip_archives import directory_size
from sigzoo.errors import ArtifactError, VerificationError

__all__ = ["MAX_MEMBER_SIZE", "MemberProcessor", "check_archive", "copy_member", "extract_member"]

MAX_MEMBER_SIZE = 1 << 31
"""Bytes that one member may have; the largest published weight file has 67 million."""

_MAX_TOTAL = 1 << 33
"""Bytes of all members of an archive that is read through."""

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


def extract_member(path: Path, name: str, *, limit: int = MAX_MEMBER_SIZE) -> Path:
    """Return the path of one extracted member of a zip archive, extracting it if need be.

    The member is kept in the cache under a name of the cache's own making, with a stamp that
    ties it to the archive: another archive, or a changed member, and it is extracted anew. Where
    others may write, the stamp proves nothing, and it is compared with the archive.

    Parameters
    ----------
    path
        The archive, which should be verified.
    name
        The member's full name, or its last part where only one member has that.
    limit
        Bytes it may have at most.

    Returns
    -------
    Path
        The member, in the cache.

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
        archive = file_state(path)
    except OSError as error:
        raise ArtifactError(f"cannot read {path} ({error.strerror or error}).") from error
    target = _target(path, name)
    origin = {"member": name} | {f"archive_{key}": value for key, value in archive.items()}
    if _is_current(path, target, origin):
        return target
    make_folder(target.parent)
    with locked(f"member-{target.name}", f"extracting {safe_text(name)}"):
        if not _is_current(path, target, origin):
            copy_member(path, name, target, limit=limit)
            found = digests_of(target)
            with suppress(OSError, StorageError):
                write_json(_stamp(target), origin | {"sha256": found.sha256} | file_state(target))
    return target


def copy_member(path: Path, name: str, target: Path, *, limit: int = MAX_MEMBER_SIZE) -> None:
    """Write one member of a zip archive to a file, which appears only when it is whole.

    Raises
    ------
    ArtifactError, StorageError
        As `extract_member`.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with _opened(path) as archive:
            info = _safe_entry(path, archive, name, limit)
            _write_member(path, archive, info, part)
        with storage_errors(target):
            part.replace(target)
    finally:
        with suppress(StorageError):
            unlink_if_exists(part)


@dataclass(frozen=True)
class MemberProcessor:
    """A processor for pooch: in place of an archive it gives the path of one member, safely extracted.

    Attributes
    ----------
    name
        The member, as `extract_member` takes it.
    limit
        Bytes it may have at most.
    """

    name: str
    limit: int = MAX_MEMBER_SIZE

    def __call__(self, fname: str, action: str, pooch: Any) -> str:
        """Return the path of the member of the archive `fname`.

        Raises
        ------
        ArtifactError, StorageError
            As `extract_member`.
        """
        return str(extract_member(Path(fname), self.name, limit=self.limit))


def check_archive(path: Path, members: Iterable[Member] = ()) -> None:
    """Read a zip archive through, each member against its checksum, and those with a digest against that.

    Raises
    ------
    ArtifactError
        If it is damaged or would inflate beyond reason.
    VerificationError
        If a member whose digest is known is not in it or is another file.
    """
    with _opened(path) as archive:
        total = sum(info.file_size for info in archive.infolist())
        if total > min(_MAX_TOTAL, max(FREE_INFLATION, MAX_MEMBER_RATIO * path.stat().st_size)):
            raise ArtifactError(f"{path} would inflate to {total} bytes; refused.")
        for info in archive.infolist():
            if (
                not _is_folder(info)
                and not info.flag_bits & _ENCRYPTED
                and info.compress_type in _PLAIN_METHODS
            ):
                _refuse_bomb(path, info)
                for _ in _member_blocks(path, archive, info):
                    pass
        for member in members:
            _check_member(path, archive, member)


def _check_member(path: Path, archive: zipfile.ZipFile, member: Member) -> None:
    info = _safe_entry(path, archive, member.name, MAX_MEMBER_SIZE)
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % info.file_size, usedforsecurity=False)
    for block in _member_blocks(path, archive, info):
        sha256.update(block)
        blob.update(block)
    for kind, wanted, found in (
        ("sha256", member.sha256, sha256.hexdigest()),
        ("git blob id", member.git_blob, blob.hexdigest()),
    ):
        if wanted is not None and wanted != found:
            raise VerificationError(
                f"{path}: the {kind} of member {member.name!r} is {found} instead of {wanted}"
            )
    if member.size not in {None, info.file_size}:
        raise VerificationError(
            f"{path}: member {member.name!r} has {info.file_size} bytes instead of {member.size}"
        )


def members_folder(path: Path) -> Path:
    """Return where an archive's members are kept: beside it in the cache, else in a folder of their own."""
    resolved = path.resolve()
    if resolved.is_relative_to((cache_home() / "artifacts").resolve()):
        return path.with_name(f"{path.name}.members")
    return (
        cache_home()
        / "members"
        / hashlib.sha256(str(resolved).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    )


def _target(path: Path, name: str) -> Path:
    # The digest keeps members apart that end alike, or that some file system takes for the same; the rest is
    # for people.
    leaf = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(name).name)[-100:]
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return members_folder(path) / f"{digest[:8]}-{leaf}"


def _stamp(target: Path) -> Path:
    return target.with_name(f"{target.name}.stamp.json")


def _is_current(path: Path, target: Path, origin: dict[str, Any]) -> bool:
    record = read_json(_stamp(target))
    if record is None or any(record.get(key) != value for key, value in origin.items()):
        return False
    if not unchanged(target, record):
        return False
    home = cache_home()
    # Whoever may change the file may change its stamp, too.
    if others_may_change(target, home) or others_may_change(_stamp(target), home):
        return _is_as_in_archive(path, str(origin["member"]), target)
    return True


def _is_as_in_archive(path: Path, name: str, target: Path) -> bool:
    digest = hashlib.sha256()
    with _opened(path) as archive:
        for block in _member_blocks(path, archive, _safe_entry(path, archive, name, MAX_MEMBER_SIZE)):
            digest.update(block)
    return digests_of(target).sha256 == digest.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with path.open("rb") as file:
            size = directory_size(file)
        if size > MAX_ZIP_DIRECTORY:
            raise ArtifactError(f"{path}: its zip directory takes {size} bytes; refused.")
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise ArtifactError(f"{path} is no whole zip archive ({_reason(error)}).") from error
    with archive:
        yield archive


def _write_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, part: Path) -> None:
    """Write a member block by block, counting, so that a lying size cannot fill the disk."""
    written = write_blocks(part, _member_blocks(path, archive, info))
    if written != info.file_size:
        raise ArtifactError(f"{_named(path, info)} has {written} bytes instead of {info.file_size}; refused.")


def _member_blocks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as source:
            left = info.file_size
            # A block beyond what the directory declares is enough to see that it lies.
            while left >= 0 and (block := source.read(_BLOCK)):
                left -= len(block)
                yield block
    except _DAMAGE as error:
        raise ArtifactError(f"{_named(path, info)} is damaged ({_reason(error) or 'cut short'}).") from error


def _safe_entry(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> zipfile.ZipInfo:
    """Return the entry of that name if it may be extracted, judged by the archive's directory alone."""
    info = _find_entry(path, archive, name)
    what = _named(path, info)
    if "\0" in info.orig_filename or "\\" in info.filename or _escapes(info.filename):
        raise ArtifactError(f"{what} has a name that leads out of its folder; refused.")
    # 0 is what programs write that know no modes of Unix.
    kind = stat.S_IFMT(info.external_attr >> 16)
    if _is_folder(info) or kind not in {0, stat.S_IFREG}:
        raise ArtifactError(f"{what} is no regular file but a folder, a link or a device; refused.")
    if info.flag_bits & _ENCRYPTED:
        raise ArtifactError(f"{what} is encrypted; refused.")
    if info.compress_type not in _PLAIN_METHODS:
        raise ArtifactError(
            f"{what} is compressed in an uncommon way (method {info.compress_type}); refused."
        )
    if info.file_size > limit:
        raise ArtifactError(f"{what} would have {info.file_size} bytes, more than {limit}; refused.")
    _refuse_bomb(path, info)
    return info


def _refuse_bomb(path: Path, info: zipfile.ZipInfo) -> None:
    if info.file_size > FREE_INFLATION and info.file_size > MAX_MEMBER_RATIO * info.compress_size:
        raise ArtifactError(
            f"{_named(path, info)} would inflate {info.compress_size} bytes to {info.file_size}; refused."
        )


def _named(path: Path, info: zipfile.ZipInfo) -> str:
    return f"{path}: member {quoted(info.filename)}"


def _reason(error: BaseException) -> str:
    return shortened(safe_text(str(error)), 200)


def _is_folder(info: zipfile.ZipInfo) -> bool:
    # The method of that name fails on an empty name.
    return info.filename.endswith("/")


def _escapes(name: str) -> bool:
    parts = PurePosixPath(name).parts
    is_dot = name.rpartition("/")[2] == "."
    return not parts or is_dot or name.startswith("/") or ".." in parts or ":" in parts[0]


def _find_entry(path: Path, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    entries = archive.infolist()
    # A bare name finds what lies in a folder of the archive, as most pack them.
    exact = [info for info in entries if info.filename == name]
    hits = exact or [
        info for info in entries if not _is_folder(info) and PurePosixPath(info.filename).name == name
    ]
    called = quoted(name)
    if not hits:
        names = sorted(info.filename for info in entries)
        held = ", ".join(shortened(safe_text(each), 60) for each in names[:12]) or "nothing"
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        raise ArtifactError(f"{path} holds no member {called}; it holds {held}{more}.")
    if len(hits) > 1:
        raise ArtifactError(
            f"{path} holds {len(hits)} members named {called}; refused, as one may hide another."
        )
    return hits[0]
