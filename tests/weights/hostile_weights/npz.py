"""Data files whose arrays are objects, whose headers are programs, or whose sizes lie."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator

from hostile_weights import Hostile
from hostile_weights.archives import packed
from hostile_weights.assembler import START, STOP, call, string


def files() -> Iterator[Hostile]:
    for title, (content, says) in FILES.items():
        yield Hostile(f"npz {title}", "npz", lambda _, content=content: content(), says)
    yield Hostile(
        "npz whose images are a pickle",
        "npz",
        lambda command: _data(x=npy("'|O'", "(2, 1, 4, 5)", _program(command))),
        "array 'x' holds Python objects",
    )
    yield Hostile(
        "npz whose labels are a pickle",
        "npz",
        lambda command: _data(y=npy("'|O'", "(2,)", _program(command))),
        "array 'y' holds Python objects",
    )
    yield Hostile(
        "npz whose header is a program",
        "npz",
        lambda command: _data(x=npy("'<f4'", f"__import__('os').system({command!r})", b"")),
        "a header that numpy does not write",
    )


def npy(descr: str, shape: str, raw: bytes, *, fortran: str = "False", version: int = 1) -> bytes:
    """An array's member."""
    return framed(
        f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode(), raw, version
    )


def framed(header: bytes, raw: bytes = b"", version: int = 1) -> bytes:
    header += b"\n"
    length = struct.pack("<H" if version == 1 else "<L", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + raw


def harmless(method: int = zipfile.ZIP_STORED) -> bytes:
    """A valid data file: two images of 4 x 5."""
    return _data(method=method)


def _program(command: str) -> bytes:
    return START + call("os", "system", string(command.encode())) + STOP


def _data(method: int = zipfile.ZIP_STORED, **changes: bytes) -> bytes:
    members = {
        "x": npy("'<f4'", "(2, 1, 4, 5)", bytes(160)),
        "y": npy("'<i8'", "(2,)", struct.pack("<2q", 350, 351)),
    } | changes
    return packed(*((f"{name}.npy", content) for name, content in members.items()), method=method)


def _member_twice() -> bytes:
    return packed(*((f"{name}.npy", npy("'<i8'", "(2,)", bytes(16))) for name in ("x", "y", "y")))


def _encrypted() -> bytes:
    content = harmless()
    at = content.index(b"PK\x01\x02") + 8
    return content[:at] + b"\x01\0" + content[at + 2 :]


def _lying_directory() -> bytes:
    """1 KB that declares 3 TB of images, all in zip64 fields."""
    content = io.BytesIO()
    header = npy("'<f4'", "(23437500, 1, 150, 220)", b"")
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header + bytes(1000))
        archive.writestr("y.npy", npy("'<i8'", "(23437500,)", bytes(1000)))
        archive.infolist()[0].file_size = 23437500 * 132000 + len(header)
    return content.getvalue()


def _headers_disagree() -> bytes:
    content = harmless()
    return content.replace(b"x.npy", b"z.npy", 1)


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "has a negative shape": (
        lambda: _data(x=npy("'<f4'", "(-2, 1, -4, 5)", bytes(160))),
        "numpy does not write",
    ),
    "has a shape that overflows to 0": (
        lambda: _data(x=npy("'<f4'", "(4294967296, 4294967296, 1, 1)", b"")),
        "declares shape",
    ),
    "has a shape that wraps to the right size": (
        lambda: _data(x=npy("'<f4'", "(4611686018427387906, 1, 4, 5)", bytes(160))),
        "declares shape",
    ),
    "declares 10**18 images": (
        lambda: _data(x=npy("'<f4'", "(1000000000000000000, 1, 150, 220)", bytes(160))),
        "declares shape",
    ),
    "declares 3 TB in 1 KB": (_lying_directory, "which no compression yields"),
    "declares less than it holds": (
        lambda: _data(x=npy("'<f4'", "(1, 1, 4, 5)", bytes(160))),
        "declares shape",
    ),
    "has an empty axis": (lambda: _data(x=npy("'<f4'", "(2, 1, 0, 5)", b"")), "expected \\(N, 1, H, W\\)"),
    "has 120 million images of one pixel": (
        lambda: _data(
            method=zipfile.ZIP_DEFLATED,
            x=npy("'|u1'", "(120000000, 1, 1, 1)", bytes(120_000_000)),
            y=npy("'|u1'", "(120000000,)", bytes(120_000_000)),
        ),
        "over 10000000 images",
    ),
    "has an image of 100 million pixels": (
        lambda: _data(
            method=zipfile.ZIP_DEFLATED,
            x=npy("'|u1'", "(1, 1, 10000, 10000)", bytes(100_000_000)),
            y=npy("'<i8'", "(1,)", bytes(8)),
        ),
        "over 4096 pixels a side",
    ),
    "has images without a channel": (
        lambda: _data(x=npy("'<f4'", "(2, 4, 5)", bytes(160))),
        "expected \\(N, 1",
    ),
    "has 20 axes": (lambda: _data(x=npy("'<f4'", f"({'1, ' * 19}40)", bytes(160))), "20 axes"),
    "has a header of 60,000 brackets": (lambda: _data(x=framed(b"(" * 60_000)), "declares a header of"),
    "has a header of 9,000 brackets": (lambda: _data(x=framed(b"(" * 9_000)), "numpy does not write"),
    "has a header of 4 GB": (
        lambda: _data(x=b"\x93NUMPY\x02\0" + struct.pack("<L", 2**32 - 1) + bytes(160)),
        "declares a header of",
    ),
    "has a header of 200 MB": (
        lambda: _data(method=zipfile.ZIP_DEFLATED, x=framed(b"{" + b" " * 200_000_000, version=2)),
        "declares a header of",
    ),
    "has 5,000 numbers for a shape": (
        lambda: _data(x=npy("'<f4'", "(" + "1," * 4_000 + ")", bytes(160))),
        "4000 axes",
    ),
    "has a number of 9,000 digits for a shape": (
        lambda: _data(x=npy("'<f4'", "(" + "9" * 9_000 + ",)", bytes(160))),
        "numpy does not write",
    ),
    "has a key twice": (
        lambda: _data(
            x=framed(b"{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (2, 1, 4, 5), }")
        ),
        "numpy does not write",
    ),
    "has a structured dtype with objects": (
        lambda: _data(x=npy("[('a', '|O'), ('b', '<f4')]", "(2, 1, 4, 5)", bytes(480))),
        "only plain numbers",
    ),
    "has a subarray dtype": (
        lambda: _data(x=npy("[('a', '<f4', (2,))]", "(2, 1, 4, 5)", bytes(320))),
        "only plain numbers",
    ),
    "has a dtype of 2 GB letters": (
        lambda: _data(x=npy("'<U536870911'", "(1, 1, 1, 1)", b"")),
        "only plain numbers",
    ),
    "has dates for images": (lambda: _data(x=npy("'<M8'", "(2, 1, 4, 5)", bytes(320))), "only plain numbers"),
    "has void for images": (lambda: _data(x=npy("'|V4'", "(2, 1, 4, 5)", bytes(160))), "only plain numbers"),
    "has text for images": (
        lambda: _data(x=npy("'<U1'", "(2, 1, 4, 5)", bytes(160))),
        "expected floating point",
    ),
    "has fewer labels than images": (lambda: _data(y=npy("'<i8'", "(1,)", bytes(8))), "expected \\(2,\\)"),
    "has labels of 2 axes": (lambda: _data(y=npy("'<i8'", "(2, 1)", bytes(16))), "expected \\(2,\\)"),
    "has labels that are no numbers": (
        lambda: _data(y=npy("'<f8'", "(2,)", struct.pack("<2d", 350, float("nan")))),
        "label nan at 1",
    ),
    "has labels between numbers": (
        lambda: _data(y=npy("'<f8'", "(2,)", struct.pack("<2d", 350.5, 1))),
        "label 350.5 at 0",
    ),
    "has labels beyond 2**63": (
        lambda: _data(y=npy("'<u8'", "(2,)", b"\xff" * 16)),
        "expected whole numbers",
    ),
    "has a forgery mark of 9": (
        lambda: _data(yforg=npy("'<i8'", "(2,)", struct.pack("<2q", 0, 9))),
        "label 9 at 1",
    ),
    "has images that are not finite": (
        lambda: _data(x=npy("'<f4'", "(2, 1, 4, 5)", b"\xff" * 160)),
        "not finite",
    ),
    "has images of 10**30": (
        lambda: _data(x=npy("'<f4'", "(2, 1, 4, 5)", struct.pack("<40f", *[1e30] * 40))),
        "expected 0 to 1",
    ),
    "is stored by columns": (
        lambda: _data(x=npy("'<f4'", "(2, 1, 4, 5)", bytes(160), fortran="True")),
        "Fortran order",
    ),
    "has an array of version 9": (
        lambda: _data(x=npy("'<f4'", "(2, 1, 4, 5)", bytes(160), version=9)),
        "no numpy",
    ),
    "has an array that is text": (lambda: _data(x=b"hello"), "no numpy array"),
    "has an empty member": (lambda: _data(x=b""), "no numpy array"),
    "has no images": (
        lambda: packed(("y.npy", npy("'<i8'", "(2,)", bytes(16)))),
        "no array 'x'; it holds 'y'",
    ),
    "has no labels": (lambda: packed(("x.npy", npy("'<f4'", "(2, 1, 4, 5)", bytes(160)))), "no array 'y'"),
    "has its labels twice": (_member_twice, "occurs twice"),
    "is encrypted": (_encrypted, "is encrypted"),
    "has a member that climbs out": (lambda: packed(("../../x.npy", b"x")), "escapes its folder"),
    "names its members in two ways": (_headers_disagree, "headers .* disagree"),
    "is no zip": (lambda: npy("'<f4'", "(2, 1, 4, 5)", bytes(160)), "damaged zip archive"),
    "is cut": (lambda: harmless()[:200], "damaged zip archive"),
}
