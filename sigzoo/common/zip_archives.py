"""Zip archives as untrusted input: opened after checks, members read in memory under limits."""

from __future__ import annotations

import stat
import struct
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sigzoo.errors import SigzooError, WeightsError

MAX_DIRECTORY_BYTES = 8 << 20
"""Largest central directory; a weight archive or data set needs a few kilobytes."""

MAX_MEMBER_BYTES = 2 << 30
"""Largest member that is read into memory."""

HARMLESS_BYTES = 64 << 20
"""Up to this size a member may be compressed as well as it likes."""

MAX_RATIO = 200
"""Largest inflation of a bigger member; trained weights compress to about 0.9 of their size."""

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
        if size > MAX_DIRECTORY_BYTES:
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
    """Look up one member by its exact name.

    Raises
    ------
    SigzooError
        Of class `error`, if there is none; lists what there is.
    """
    try:
        return archive.getinfo(member)
    except KeyError:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        listed = ", ".join(repr(name) for name in names[:8]) + (", ..." if len(names) > 8 else "")
        raise error(f"{where}: no member {member!r}; it holds {listed or 'nothing'}.") from None


def read_member(
    archive: ZipFile, info: ZipInfo, where: str, error: type[SigzooError] = WeightsError
) -> bytes:
    """Read one member into memory, never more than it declares, its CRC checked.

    Raises
    ------
    SigzooError
        Of class `error`, if the member declares too much, inflates beyond reason or is damaged.
    """
    name = f"{where}: member {info.filename!r:.80}"
    if info.file_size > MAX_MEMBER_BYTES:
        raise error(f"{name} declares {info.file_size} bytes, more than {MAX_MEMBER_BYTES}; refused.")
    if info.file_size > HARMLESS_BYTES and info.file_size > MAX_RATIO * info.compress_size:
        raise error(f"{name} would inflate {info.compress_size} bytes to {info.file_size}; refused.")
    content = bytearray()
    try:
        with archive.open(info) as stream:
            while block := stream.read(BLOCK):
                content += block
                if len(content) > info.file_size:
                    raise error(f"{name} inflates beyond its declared {info.file_size} bytes; refused.")
    except SigzooError:
        raise
    except Exception as problem:
        raise error(f"{name} is damaged ({_reason(problem)}); fetch the archive again.") from problem
    if len(content) != info.file_size:
        raise error(f"{name} ends after {len(content)} of {info.file_size} bytes; fetch the archive again.")
    return bytes(content)


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
    if info.filename in seen:
        return "occurs twice"
    if info.header_offset < 0:
        return "lies before the start of the file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link"
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
