"""TIFF files of any layout, put together byte by byte for tests: depth, colours, planes, tiles, tags."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

RAW, G3, G4, LZW, DEFLATE, PACKBITS = 1, 3, 4, 5, 8, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
_TYPES = {"H": 3, "I": 4, "f": 11, "d": 12, "Q": 16}


@dataclass
class Layout:
    """How the samples of an image lie in a file."""

    photometric: int = BLACK_IS_ZERO
    bits: int = 8
    floating: bool = False
    compression: int = RAW
    planar: bool = False
    tiled: bool = False
    rows_per_strip: int = 1 << 16
    order: str = "<"
    orientation: int = 1
    extra: Sequence[int] = ()
    fill_order: int = 1
    predictor: int = 1
    subfile: int = 0
    tags: Mapping[int, tuple[str, Sequence[Any]]] = field(default_factory=dict)
    """More entries: tag to type character and values."""


def pack(rows: NDArray[Any], layout: Layout) -> bytes:
    """Samples ``(h, w, s)`` as bytes, each row beginning on a whole byte."""
    if layout.floating:
        return rows.astype(f"{layout.order}f{layout.bits // 8}").tobytes()
    if layout.bits in (8, 16, 32):
        return rows.astype(f"{layout.order}u{layout.bits // 8}").tobytes()
    shifts = np.arange(layout.bits - 1, -1, -1)
    bits = (rows.reshape(len(rows), -1, 1).astype(np.int64) >> shifts) & 1
    return np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def _compress(data: bytes, rows: NDArray[Any], layout: Layout) -> bytes:
    if layout.compression == DEFLATE:
        return zlib.compress(data)
    if layout.compression in (LZW, PACKBITS):
        import imagecodecs

        return bytes(
            imagecodecs.lzw_encode(data) if layout.compression == LZW else imagecodecs.packbits_encode(data)
        )
    if layout.compression in (G3, G4):
        stream = io.BytesIO()
        image = Image.fromarray((rows[..., 0] * 255).astype(np.uint8)).convert("1")
        image.save(stream, "TIFF", compression="group3" if layout.compression == G3 else "group4")
        stream.seek(0)
        with tifffile.TiffFile(stream) as file:
            page = file.pages[0]
            assert page.photometric == BLACK_IS_ZERO
            assert len(page.dataoffsets) == 1
            return stream.getvalue()[page.dataoffsets[0] :][: page.databytecounts[0]]
    return data


def _segments(samples: NDArray[Any], layout: Layout) -> Iterator[NDArray[Any]]:
    planes = np.split(samples, samples.shape[2], axis=2) if layout.planar else [samples]
    for plane in planes:
        height, width = plane.shape[:2]
        if not layout.tiled:
            for top in range(0, height, layout.rows_per_strip):
                yield plane[top : top + layout.rows_per_strip]
            continue
        padded = np.pad(plane, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
        for top in range(0, height, 16):
            for left in range(0, width, 16):
                yield padded[top : top + 16, left : left + 16]


def _differences(rows: NDArray[Any]) -> NDArray[Any]:
    first = np.zeros_like(rows[:, :1])
    return np.diff(rows.astype(np.int64), axis=1, prepend=first).astype(rows.dtype)


def tiff_bytes(*pages: tuple[NDArray[Any], Layout]) -> bytes:
    """A file of pages, each of samples ``(h, w, s)`` in a layout; all of the first one's byte order."""
    order = pages[0][1].order
    out = io.BytesIO()
    out.write((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    link = 4
    for samples, layout in pages:
        link = _write_page(out, samples, layout, link)
    return out.getvalue()


def _write_page(out: io.BytesIO, samples: NDArray[Any], layout: Layout, link: int) -> int:
    order = layout.order
    height, width, count = samples.shape
    places, sizes = [], []
    for segment in _segments(samples, layout):
        rows = _differences(segment) if layout.predictor == 2 else segment
        data = _compress(pack(rows, layout), segment, layout)
        if layout.fill_order == 2:
            data = np.packbits(
                np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, 1), axis=1)[:, ::-1]
            ).tobytes()
        out.seek(0, 2)
        out.write(b"\0" * (out.tell() % 2))
        places.append(out.tell())
        sizes.append(len(data))
        out.write(data)
    tags: dict[int, tuple[str, Sequence[Any]]] = {
        254: ("I", [layout.subfile]),
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [layout.bits] * count),
        259: ("H", [layout.compression]),
        262: ("H", [layout.photometric]),
        274: ("H", [layout.orientation]),
        277: ("H", [count]),
        284: ("H", [2 if layout.planar else 1]),
        339: ("H", [3 if layout.floating else 1] * count),
    }
    if layout.tiled:
        tags |= {322: ("I", [16]), 323: ("I", [16]), 324: ("I", places), 325: ("I", sizes)}
    else:
        tags |= {273: ("I", places), 278: ("I", [min(layout.rows_per_strip, height)]), 279: ("I", sizes)}
    if layout.extra:
        tags[338] = ("H", layout.extra)
    if layout.fill_order != 1:
        tags[266] = ("H", [layout.fill_order])
    if layout.predictor != 1:
        tags[317] = ("H", [layout.predictor])
    tags |= layout.tags
    entries = []
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(data) > 4:
            out.seek(0, 2)
            out.write(b"\0" * (out.tell() % 2))
            place = out.tell()
            out.write(data)
            data = struct.pack(order + "I", place)
        entries.append(struct.pack(order + "HHI", tag, _TYPES[kind], len(values)) + data.ljust(4, b"\0"))
    out.seek(0, 2)
    out.write(b"\0" * (out.tell() % 2))
    at = out.tell()
    out.write(struct.pack(order + "H", len(entries)) + b"".join(entries) + b"\0" * 4)
    out.seek(link)
    out.write(struct.pack(order + "I", at))
    return at + 2 + 12 * len(entries)
