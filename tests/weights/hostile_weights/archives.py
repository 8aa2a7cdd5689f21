"""Zip archives of weight files that escape, explode or lie."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator

from hostile_weights import Hostile
from hostile_weights.assembler import call, harmless, string, weights

MEMBER = "signet.pkl"


def files() -> Iterator[Hostile]:
    for title, (content, says) in ARCHIVES.items():
        yield Hostile(f"zip {title}", "lasagne", lambda _, content=content: content(), says, member=MEMBER)
    yield Hostile(
        "zip whose member calls os.system",
        "lasagne",
        lambda command: packed((MEMBER, weights(call("os", "system", string(command.encode()))))),
        "asks for 'os.system'",
        member=MEMBER,
    )


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content, compress_type=method)
    return file.getvalue()


def _good() -> tuple[str, bytes]:
    return MEMBER, harmless()


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(MEMBER)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _in_directory(content: bytes, offset: int, form: str, value: int) -> bytes:
    """Change a field of the first entry of the central directory."""
    at = content.index(b"PK\x01\x02") + offset
    return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]


def _in_end(content: bytes, offset: int, form: str, value: int) -> bytes:
    at = content.rindex(b"PK\x05\x06") + offset
    return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]


def _huge_directory() -> bytes:
    return packed(*((f"{i:05d}{'n' * 200}", b"") for i in range(36_000)), method=zipfile.ZIP_STORED)


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "with a member that climbs out": (
        lambda: packed(_good(), ("../../evil.pkl", b"x")),
        "escapes its folder",
    ),
    "with a member that climbs out by a detour": (lambda: packed(_good(), ("a/../../b", b"x")), "escapes"),
    "with an absolute name": (lambda: packed(_good(), ("/etc/cron.d/evil", b"x")), "escapes its folder"),
    "with backslashes": (lambda: packed(_good(), ("..\\evil.pkl", b"x")), "escapes its folder"),
    "with a drive letter": (lambda: packed(_good(), ("C:evil.pkl", b"x")), "escapes its folder"),
    "with a zero byte in a name": (
        lambda: packed(_good(), ("evilXname", b"x")).replace(b"evilXname", b"evil\0name"),
        "control characters",
    ),
    "with a member twice": (lambda: packed(_good(), (MEMBER, b"other")), "occurs twice"),
    "with a symbolic link": (lambda: packed((_link(), b"/etc/passwd")), "symbolic link"),
    "with an encrypted member": (lambda: _in_directory(packed(_good()), 8, "<H", 1), "is encrypted"),
    "compressed by bzip2": (lambda: packed(_good(), method=zipfile.ZIP_BZIP2), "compressed by method"),
    "of an unknown compression": (
        lambda: _in_directory(packed(_good()), 10, "<H", 97),
        "compressed by method",
    ),
    "with a bomb of 300 MB": (lambda: packed((MEMBER, bytes(300 << 20))), "would inflate"),
    "that declares 4 GB": (
        lambda: _in_directory(packed(_good()), 24, "<I", 2**32 - 2),
        "declares 4294967294",
    ),
    "that inflates beyond what it declares": (
        lambda: _in_directory(packed(_good()), 24, "<I", 20),
        "is damaged",
    ),
    "that inflates to less than it declares": (
        lambda: _in_directory(packed(_good()), 24, "<I", 2_000),
        "ends after|is damaged",
    ),
    "with a wrong checksum": (lambda: _in_directory(packed(_good()), 16, "<I", 1), "is damaged"),
    "whose member lies outside the file": (
        lambda: _in_directory(packed(_good()), 42, "<I", 2**31),
        "damaged",
    ),
    "whose directory lies outside the file": (
        lambda: _in_end(packed(_good()), 16, "<I", 2**31),
        "before the start",
    ),
    "with a directory of 9 MB": (_huge_directory, "zip directory takes"),
    "that declares a directory of 4 GB": (
        lambda: _in_end(packed(_good()), 12, "<I", 2**32 - 2),
        "directory takes",
    ),
    "without the member": (
        lambda: packed(("other.pkl", harmless())),
        "no member 'signet.pkl'; it holds 'other.pkl'",
    ),
    "cut in the middle": (lambda: packed(_good())[:60], "damaged zip archive"),
    "that is a pickle": (harmless, "a Python 2 pickle, expected a zip"),
    "whose member is a zip": (lambda: packed((MEMBER, packed(_good()))), "a zip archive, expected"),
}
