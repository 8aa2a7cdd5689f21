"""Pickle instructions as bytes, to write by hand what no pickler would."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

START = b"\x80\x02"
STOP = b"."
MARK = b"("
REDUCE = b"R"
BUILD = b"b"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def text(value: str) -> bytes:
    """A Python 3 string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def string(value: bytes) -> bytes:
    """A Python 2 string."""
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + struct.pack("<i", len(value)) + value


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if 0 <= value < 65536:
        return b"M" + struct.pack("<H", value)
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def group(*items: bytes) -> bytes:
    """A tuple."""
    return MARK + b"".join(items) + b"t"


def listed(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def mapping(**entries: bytes) -> bytes:
    return b"}(" + b"".join(string(key.encode()) + value for key, value in entries.items()) + b"u"


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + group(*arguments) + REDUCE


def dtype(code: bytes = b"f4", *, state: bytes | None = None) -> bytes:
    usual = group(number(3), string(b"<"), b"NNN", number(-1), number(-1), number(0))
    return call("numpy", "dtype", string(code), number(0), number(1)) + (state or usual) + BUILD


def array(
    shape: Sequence[int] | bytes,
    raw: bytes,
    *,
    kind: bytes | None = None,
    fortran: bytes = b"\x89",
    made: bytes | None = None,
) -> bytes:
    """An array as numpy pickles it; `raw` is the instruction that gives its bytes."""
    start = made or RECONSTRUCT + group(NDARRAY, group(number(0)), string(b"b")) + REDUCE
    sizes = shape if isinstance(shape, bytes) else group(*(number(n) for n in shape))
    return start + group(number(1), sizes, kind or dtype(), fortran, raw) + BUILD


def weights(*params: bytes) -> bytes:
    """A whole Lasagne file."""
    return START + mapping(params=listed(*params)) + STOP


def floats(count: int) -> bytes:
    return string(struct.pack(f"<{count}f", *range(count)))


def harmless(*params: Any) -> bytes:
    """A valid small Lasagne file."""
    return weights(array((2, 3), floats(6)), array((4,), floats(4)))
