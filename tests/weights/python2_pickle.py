"""A writer of Lasagne weight files that is not the reader's, for the tests of core and plugins."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray


class Python2Pickle:
    """Writes the pickle of a Lasagne network as Python 2.7's cPickle does, protocol 2, byte for byte."""

    def __init__(self) -> None:
        self._out = bytearray(b"\x80\x02}")
        self._memo = 0
        self._globals: dict[str, int] = {}
        self._dtype = 0

    def write(self, params: Sequence[NDArray[Any]], entries: dict[str, tuple[int, int]]) -> bytes:
        self._put()
        self._out += b"("
        for key, pair in entries.items():
            self._text(key)
            self._out += b"".join(map(self._integer, pair)) + b"\x86"
            self._put()
        self._text("params")
        self._out += b"]"
        self._put()
        self._out += b"("
        for values in params:
            self._array(values)
        return bytes(self._out + b"eu.")

    def _put(self) -> None:
        self._memo += 1
        self._out += b"q" + bytes([self._memo])

    def _text(self, text: str) -> None:
        self._out += b"U" + bytes([len(text)]) + text.encode()
        self._put()

    def _global(self, module: str, name: str) -> None:
        if name in self._globals:
            self._out += b"h" + bytes([self._globals[name]])
            return
        self._out += f"c{module}\n{name}\n".encode()
        self._put()
        self._globals[name] = self._memo

    def _array(self, values: NDArray[Any]) -> None:
        self._global("numpy.core.multiarray", "_reconstruct")
        self._global("numpy", "ndarray")
        self._out += b"K\x00\x85U\x01b\x87R"
        self._put()
        self._out += b"(K\x01"
        sizes = b"".join(map(self._integer, values.shape))
        ends = {1: b"\x85", 2: b"\x86", 3: b"\x87"}
        self._out += sizes + ends[values.ndim] if values.ndim in ends else b"(" + sizes + b"t"
        self._describe_dtype(values.dtype.str[1:])
        column_major = values.flags.f_contiguous and not values.flags.c_contiguous
        self._out += b"\x88" if column_major else b"\x89"
        raw = values.tobytes("F" if column_major else "C")
        short = len(raw) < 256
        self._out += (b"U" + bytes([len(raw)]) if short else b"T" + struct.pack("<i", len(raw))) + raw + b"tb"

    def _describe_dtype(self, code: str) -> None:
        if self._dtype:
            self._out += b"h" + bytes([self._dtype])
            return
        self._global("numpy", "dtype")
        self._out += b"U" + bytes([len(code)]) + code.encode() + b"K\x00K\x01\x87R"
        self._put()
        self._dtype = self._memo
        self._out += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"

    @staticmethod
    def _integer(value: int) -> bytes:
        if value < 256:
            return b"K" + bytes([value])
        return b"M" + struct.pack("<H", value) if value < 65536 else b"J" + struct.pack("<i", value)
