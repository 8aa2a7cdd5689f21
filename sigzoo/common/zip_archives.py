"""Zip archives as untrusted input: opened after checks, members read in memory under limits."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sigzoo.common.limits import FREE_INFLATION, MAX_MEMBER, MAX_MEMBER_RATIO, MAX_ZIP_DIRECTORY
from sigzoo.common.messages import listed
from sigzoo.errors import SigzooError, WeightsError

BLOCK = 1 << 20

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")


def open_zip(file: BinaryIO, where: str, error: type[SigzooError] = WeightsError) -> ZipFile:
    """Open a zip archive after checking its directory; nothing is extracted.

    Parameters
    ----------
    file
        Open for reading, seekable; stays the caller's.
    where
        What messages call the archive.
    error
        Class of the error to raise.

    Raises
    ------
    SigzooError
        Of class `error`, for a damaged archive, an oversized directory, names that would escape
        (absolute, ``..``, backslashes), duplicates, links, encryption, unusual compression.
    """
    try:
        size = directory_size(file)
        if size > MAX_ZIP_DIRECTORY:
            raise error(f"{where}: its zip directory takes {size} bytes; refused.")
        archive = ZipFile(file)
    except SigzooError:
        raise
    except Exception as problem:
        raise error(f"{where}: damaged zip archive ({_reason(problem)}); fetch it again.") from problem
    seen: set[str] = set()
    for info in archive.infolist():
        fault = _fault(info, seen)
        if fault:
            raise error(f"{where}: member {info.orig_filename!r:.80} {fault}; the archive is refused.")
        seen.add(info.filename)
    return archive


def find_member(
    archive: ZipFile, member: str, where: str, error: type[SigzooError] = WeightsError
) -> ZipInfo:
    """Look up one member by its full name, or by the last part of it where only one member has that.

    Raises
    ------
    SigzooError
        Of class `error`, if there is none, or several; lists what there is.
    """
    files = [info for info in archive.infolist() if not info.is_dir()]
    hits = [info for info in files if info.filename == member]
    hits = hits or [info for info in files if PurePosixPath(info.filename).name == member]
    if len(hits) == 1:
        return hits[0]
    if hits:
        named = listed(info.filename for info in hits)
        raise error(f"{where}: several members are named {member!r:.80}: {named}. Name one of them in full.")
    held = listed(info.filename for info in files) or "nothing"
    raise error(f"{where}: no member {member!r:.80}; it holds {held}.")


def read_member(
    archive: ZipFile, info: ZipInfo, where: str, error: type[SigzooError] = WeightsError
) -> bytes:
    """Read one member into memory, never more than it declares, its CRC checked.

    Raises
    ------
    SigzooError
        Of class `error`, if the member declares too much, inflates beyond reason or is damaged.
    """
    check_inflation(info, where, error)
    return b"".join(member_blocks(archive, info, where, error))


def check_inflation(
    info: ZipInfo, where: str, error: type[SigzooError] = WeightsError, limit: int = MAX_MEMBER
) -> None:
    """Refuse a member that declares more than `limit` bytes, or more than its compressed ones can mean.

    Raises
    ------
    SigzooError
        Of class `error`.
    """
    name = f"{where}: member {info.filename!r:.80}"
    if info.file_size > limit:
        raise error(f"{name} declares {info.file_size} bytes, more than {limit}; refused.")
    if info.file_size > FREE_INFLATION and info.file_size > MAX_MEMBER_RATIO * info.compress_size:
        raise error(f"{name} would inflate {info.compress_size} bytes to {info.file_size}; refused.")


def member_start(
    archive: ZipFile, info: ZipInfo, count: int, where: str, error: type[SigzooError] = WeightsError
) -> bytes:
    """The first bytes of a member; no more is inflated.

    Raises
    ------
    SigzooError
        Of class `error`, if it is damaged, or declares what `check_inflation` refuses.
    """
    check_inflation(info, where, error)
    try:
        with archive.open(info) as stream:
            return stream.read(count)
    except Exception as problem:
        raise _damaged(info, where, error, problem) from problem


def member_blocks(
    archive: ZipFile, info: ZipInfo, where: str, error: type[SigzooError] = WeightsError
) -> Iterator[bytes]:
    """A member block by block, never more than it declares, its CRC checked at the end.

    Raises
    ------
    SigzooError
        Of class `error`, if it is damaged, or is longer or shorter than it declares.
    """
    name = f"{where}: member {info.filename!r:.80}"
    size = 0
    try:
        with archive.open(info) as stream:
            while block := stream.read(BLOCK):
                size += len(block)
                if size > info.file_size:
                    raise error(f"{name} inflates beyond its declared {info.file_size} bytes; refused.")
                yield block
    except SigzooError:
        raise
    except Exception as problem:
        raise _damaged(info, where, error, problem) from problem
    if size != info.file_size:
        raise error(f"{name} ends after {size} of {info.file_size} bytes; fetch the archive again.")


def _damaged(info: ZipInfo, where: str, error: type[SigzooError], problem: Exception) -> SigzooError:
    return error(
        f"{where}: member {info.filename!r:.80} is damaged ({_reason(problem)}); fetch the archive again."
    )


def data_offset(file: BinaryIO, info: ZipInfo, where: str, error: type[SigzooError]) -> int:
    """Position of a stored member's first byte in the file, from its local header.

    Raises
    ------
    SigzooError
        Of class `error`, if the local header is not there, names another member, or the member
        runs over the end of the file.
    """
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) != 30 or header[:4] != b"PK\x03\x04":
        raise error(f"{where}: member {info.filename!r:.80} has no local header; the file is damaged.")
    name_length, extra_length = struct.unpack("<2H", header[26:])
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    if file.read(name_length) != info.orig_filename.encode(encoding, "replace"):
        raise error(f"{where}: the two headers of member {info.filename!r:.80} disagree; refused.")
    start = info.header_offset + 30 + name_length + extra_length
    if start + info.compress_size > file.seek(0, 2):
        raise error(f"{where}: member {info.filename!r:.80} runs over the end of the file; fetch it again.")
    return int(start)


def _fault(info: ZipInfo, seen: set[str]) -> str:
    name = info.orig_filename
    if name.startswith(("/", "\\")) or "\\" in name or ":" in name or ".." in name.split("/"):
        return "has a name that escapes its folder"
    if not name or any(ord(letter) < 32 for letter in name):
        return "has control characters in its name, or none"
    if name.split("/")[-1] == ".":
        return "has a name that names no file"
    if info.filename in seen:
        return "occurs twice"
    if info.header_offset < 0:
        return "lies before the start of the file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device"
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return f"is compressed by method {info.compress_type}, neither stored nor deflated"
    if info.compress_type == ZIP_STORED and info.compress_size != info.file_size:
        return f"is stored with two sizes, {info.compress_size} and {info.file_size}"
    return ""


def directory_size(file: BinaryIO) -> int:
    """Size of the central directory that `ZipFile` will read whole; 0 where it will find none."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - 0xFFFF)
    file.seek(start)
    tail = file.read()
    at = len(tail) - _END.size if tail[-_END.size :][:4] == b"PK\x05\x06" else tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        return 0
    found: int = _END.unpack_from(tail, at)[5]
    end64 = start + at - _LOCATOR.size - _END64.size
    if end64 < 0:
        return found
    file.seek(end64)
    records = file.read(_END64.size + _LOCATOR.size)
    if records[_END64.size :][:4] == b"PK\x06\x07" and records[:4] == b"PK\x06\x06":
        return max(found if found != 0xFFFFFFFF else 0, int(_END64.unpack_from(records)[8]))
    return found


def _reason(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"[:200]
