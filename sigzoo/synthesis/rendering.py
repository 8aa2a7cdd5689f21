"""From the pen's way to a grey image: pen, ink, paper and scanner."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sigzoo.synthesis.kinematics import Floats
from sigzoo.synthesis.performance import Trace

__all__ = ["Pen", "Scan", "render"]

Grey = NDArray[np.uint8]

_USUAL_SPEED = 45.0
"""Millimetres a second: the 75th percentile of an ordinary hand's."""
_TOUCH = 0.25
"""Pressure below which the point of the pen is not wholly on the paper."""
_TILE = 512
_NOISE = np.random.default_rng(20170101).normal(size=(_TILE, _TILE)).astype(np.float32)


@dataclass(frozen=True)
class Pen:
    """A pen and its ink."""

    width: float = 0.45
    """Millimetres at mean pressure."""
    swell: float = 0.5
    """How much pressure widens the line, as a share of its width."""
    thinning: float = 0.25
    """How much speed thins the line."""
    darkness: float = 0.85
    """0 invisible, 1 black."""
    fading: float = 0.2
    """How much speed and low pressure lighten the line."""
    grain: float = 0.12
    """How unevenly ink lies on the paper."""
    taper: float = 0.8
    """How much of width and ink is gone where the pen hardly touches the paper."""


@dataclass(frozen=True)
class Scan:
    """Paper, light, and the machine that takes the picture."""

    dpi: float = 300.0
    margin: float = 3.0
    """White around the signature, millimetres."""
    paper: float = 252.0
    """Grey level of the paper."""
    shade: float = 0.0
    """Grey levels by which light differs across the page, as in a photograph."""
    blur: float = 0.6
    """Standard deviation, pixels."""
    noise: float = 1.2
    """Standard deviation, grey levels."""
    jpeg: int | None = None
    """Quality, or `None` for none."""
    two_level: bool = False
    """Black and white only."""


def render(trace: Trace, pen: Pen, scan: Scan, rng: np.random.Generator) -> Grey:
    """Draw the trace and take its picture.

    Returns
    -------
    uint8 ``(H, W)``
        0 ink and 255 paper; the size follows the signature, `Scan.dpi` and `Scan.margin`.
    """
    grey = _inked(_draw(trace, pen, scan), pen, scan, rng)
    if scan.noise > 0:
        grey += scan.noise * _texture(grey.shape, rng)
    grey += 0.5
    image = np.clip(grey, 0, 255, out=grey).astype(np.uint8)
    if scan.two_level:
        cut = scan.paper * (1.0 - 0.45 * pen.darkness)
        return np.where(image > cut, np.uint8(255), np.uint8(0))
    return image if scan.jpeg is None else _jpeg(image, scan.jpeg)


def _inked(ink: Image.Image, pen: Pen, scan: Scan, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the paper with the ink on it, in grey levels; only the box around the ink needs work."""
    around = 6 + math.ceil(3.0 * scan.blur)
    left, top, right, bottom = ink.getbbox() or (0, 0, 0, 0)
    left, top = max(left - around, 0), max(top - around, 0)
    right, bottom = min(right + around, ink.width), min(bottom + around, ink.height)
    size = (ink.height, ink.width)
    box = ink.crop((left, top, right, bottom))
    if scan.blur > 0:
        box = box.filter(ImageFilter.GaussianBlur(scan.blur))
    depth = np.asarray(box, dtype=np.float32) * (1.0 / 255.0)
    if pen.grain > 0:
        depth *= 1.0 - pen.grain * np.abs(_texture(depth.shape, rng, (top, left)))
    lit = np.full(size, scan.paper, dtype=np.float32)
    if scan.shade != 0:
        lit -= _light(size, scan.shade, rng)
    lit[top:bottom, left:right] *= 1.0 - pen.darkness * depth.clip(0.0, 1.0)
    return lit


def _draw(trace: Trace, pen: Pen, scan: Scan) -> Image.Image:
    """Draw the written way with the pen's width and ink; white is full ink, black is paper."""
    fine = 2 if scan.dpi >= 500 else 3 if scan.dpi >= 200 else 4
    scale = scan.dpi / 25.4
    written = trace.points[trace.down]
    low, high = written.min(axis=0), written.max(axis=0)
    width, height = np.ceil((high - low + 2 * scan.margin) * scale).astype(int)
    place = (trace.points - low + scan.margin) * scale
    place[:, 1] = height - place[:, 1]
    place *= fine
    line, tone = _line(trace, pen)
    line = np.maximum(line * scale * fine, 1.0)
    image = Image.new("L", (int(width) * fine, int(height) * fine), 0)
    # The core of Pillow's pencil, whose methods look up anew for each of a thousand strokes what ink is.
    pencil = ImageDraw.Draw(image).draw
    inks = [pencil.draw_ink(level) for level in range(256)]
    both = (trace.down[1:] & trace.down[:-1]) & (np.hypot(*np.diff(place, axis=0).T) > 0.02)
    to = np.flatnonzero(both) + 1
    radius = 0.5 * line[to, None] - 0.5
    ways = np.hstack([place[to - 1], place[to]]).tolist()
    spots = np.hstack([place[to] - radius, place[to] + radius]).tolist()
    thick, ink = np.rint(line[to]).astype(int).tolist(), tone[to].astype(int).tolist()
    for way, spot, broad, w, fill in zip(ways, spots, (line[to] > 2).tolist(), thick, ink, strict=True):
        pencil.draw_lines(way, inks[fill], w)
        if broad:
            pencil.draw_ellipse(spot, inks[fill], 1)
    return image.reduce(fine)


def _line(trace: Trace, pen: Pen) -> tuple[Floats, Floats]:
    """Width in millimetres and ink (0 to 255) at every sample; slow ink is broad, dark and even."""
    fast = np.minimum(trace.speed / _USUAL_SPEED, 2.5) - 0.8
    swell = 1.0 + pen.swell * (trace.pressure - 0.5) - pen.thinning * 0.5 * fast
    ink = 1.0 - pen.fading * np.clip(0.4 * fast + 0.7 * (0.6 - trace.pressure), 0.0, 1.0)
    gone = pen.taper * (1.0 - np.sqrt(np.clip(trace.pressure / _TOUCH, 0.0, 1.0)))
    width = pen.width * (np.clip(swell, 0.35, 2.0) * (1.0 - gone))
    return width, 255.0 * np.clip(ink, 0.25, 1.0) * (1.0 - 0.5 * gone)


def _texture(
    shape: tuple[int, ...], rng: np.random.Generator, corner: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """Standard normal noise: the part from `corner` on of a plane of one tile, laid at a random place."""
    rows, columns = (
        _laid(side, (begin - int(place)) % _TILE)
        for side, begin, place in zip(shape, corner, rng.integers(0, _TILE, 2), strict=True)
    )
    texture = np.empty(shape, dtype=np.float32)
    for to_rows, from_rows in rows:
        for to_columns, from_columns in columns:
            texture[to_rows, to_columns] = _NOISE[from_rows, from_columns]
    return texture


def _laid(side: int, begin: int) -> list[tuple[slice, slice]]:
    """Cut a side into parts within one tile each, the first from `begin` on: where to, where from."""
    edges = [0, *range(min(_TILE - begin, side), side, _TILE), side]
    return [
        (slice(low, high), slice((begin + low) % _TILE, (begin + low) % _TILE + high - low))
        for low, high in pairwise(edges)
    ]


def _light(shape: tuple[int, ...], shade: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A slope and a soft spot of light, 0 to `shade` grey levels."""
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    turn, (cy, cx) = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 2)
    field: Floats = (
        0.5 + 0.35 * (x * np.cos(turn) + y * np.sin(turn)) + 0.3 * ((x - cx) ** 2 + (y - cy) ** 2) / 4
    )
    return (shade * field.clip(0, 1)).astype(np.float32)


def _jpeg(image: Grey, quality: int) -> Grey:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    with Image.open(io.BytesIO(file.getvalue())) as read:
        return np.asarray(read.convert("L"))
