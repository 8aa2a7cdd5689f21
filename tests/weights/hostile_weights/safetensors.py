"""Safetensors files whose header lies about what follows."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

from hostile_weights import Hostile


def files() -> Iterator[Hostile]:
    for title, (content, says) in FILES.items():
        yield Hostile(f"safetensors {title}", "safetensors", lambda _, content=content: content(), says)


def framed(header: bytes, body: bytes = bytes(16)) -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def entry(begin: int, end: int, shape: Any = None, dtype: Any = "F32") -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [(end - begin) // 4] if shape is None else shape,
        "data_offsets": [begin, end],
    }


def _file(body: bytes = bytes(16), **entries: Any) -> bytes:
    return framed(json.dumps(entries).encode(), body)


def harmless() -> bytes:
    return _file(a=entry(0, 8), b=entry(8, 16))


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "has overlapping tensors": (lambda: _file(a=entry(0, 12), b=entry(8, 16)), "'b' overlaps"),
    "has two tensors in one place": (lambda: _file(a=entry(0, 16), b=entry(0, 16)), "overlaps"),
    "has a gap": (lambda: _file(a=entry(0, 4), b=entry(8, 16)), "leaves a gap"),
    "has offsets beyond its end": (lambda: _file(a=entry(0, 2**20)), "damaged"),
    "has offsets of 2**64": (lambda: _file(a=entry(0, 2**64)), "the shape"),
    "has negative offsets": (lambda: _file(a=entry(-16, 0)), "offsets are not valid"),
    "has offsets the wrong way round": (lambda: _file(a=entry(16, 0, [4])), "lies on -16 bytes"),
    "has fractional offsets": (lambda: _file(a=entry(0, 16) | {"data_offsets": [0, 16.0]}), "not valid"),
    "has no offsets": (lambda: _file(a={"dtype": "F32", "shape": [4]}), "not valid"),
    "has bytes that belong to nothing": (lambda: _file(a=entry(0, 8)), "the file has 16"),
    "declares a header of 2**64 - 1 bytes": (lambda: b"\xff" * 8 + b"{}" + bytes(16), "unknown kind"),
    "declares a header of 2**39 bytes": (lambda: struct.pack("<Q", 2**39) + b"{}" + bytes(16), "no whole"),
    "declares a header of 0 bytes": (lambda: struct.pack("<Q", 0) + b"{}" + bytes(16), "no whole"),
    "has a header of 9 MB": (lambda: framed(b"{" + b" " * (9 << 20) + b"}"), "no whole"),
    "has an unknown dtype": (lambda: _file(a=entry(0, 16, dtype="Q99")), "the dtype 'Q99'"),
    "has a dtype of a million letters": (lambda: _file(a=entry(0, 16, dtype="F" * 10**6)), "the dtype"),
    "has a dtype that is a list": (lambda: _file(a=entry(0, 16, dtype=["F32"])), "the dtype"),
    "has a tensor twice": (
        lambda: framed(
            b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
        ),
        "'a' occurs twice",
    ),
    "has a field twice": (
        lambda: framed(b'{"a":{"dtype":"F32","shape":[4],"shape":[2],"data_offsets":[0,16]}}'),
        "'shape' occurs twice",
    ),
    "has a negative shape": (lambda: _file(a=entry(0, 16, [-4, -1])), "the shape"),
    "has a shape that overflows": (lambda: _file(a=entry(0, 16, [2**62 + 1, 4])), "the shape"),
    "has a shape whose product wraps": (lambda: _file(a=entry(0, 16, [2**32, 2**32])), "lies on 16 bytes"),
    "has a shape of 10**6 axes": (lambda: _file(a=entry(0, 16, [1] * 10**6)), "the shape"),
    "has a shape of fractions": (lambda: _file(a=entry(0, 16, [4.0])), "the shape"),
    "has a shape of booleans": (lambda: _file(a=entry(0, 4, [True])), "the shape"),
    "has a smaller shape than bytes": (lambda: _file(a=entry(0, 16, [2])), "lies on 16 bytes"),
    "has metadata that are no texts": (lambda: _file(__metadata__={"a": [1]}, a=entry(0, 16)), "not texts"),
    "has metadata that are a list": (lambda: _file(__metadata__=[1], a=entry(0, 16)), "not texts"),
    "nests its header 100,000 deep": (lambda: framed(b'{"a":' + b"[" * 100_000), "header is not valid"),
    "has a header that is no JSON": (lambda: framed(b"{'a': 1}"), "header is not valid"),
    "has a header that is not UTF-8": (lambda: framed(b'{"\xff\xfe": 1}'), "header is not valid"),
    "has an integer of 10,000 digits": (
        lambda: framed(b'{"a":' + b"9" * 10_000 + b"}"),
        "header is not valid",
    ),
    "has a tensor outside both groups": (
        lambda: _file(**{"backbone.a": entry(0, 8), "optimizer.b": entry(8, 16)}),
        "'optimizer.b' is neither",
    ),
    "has a head of an unknown name": (
        lambda: _file(**{"backbone.a": entry(0, 8), "head.other.weight": entry(8, 16)}),
        "'head.other.weight' is neither",
    ),
    "is cut in its header": (lambda: harmless()[:30], "no whole"),
    "is cut in its tensors": (lambda: harmless()[:-1], "the file has 15"),
    "goes on after its tensors": (lambda: harmless() + b"\0", "the file has 17"),
    "is a Git LFS pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
        "a Git LFS pointer",
    ),
    "is a gzip": (lambda: b"\x1f\x8b\x08" + bytes(40), "a gzip file"),
}
