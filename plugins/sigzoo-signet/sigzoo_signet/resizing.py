"""From the canvas to the network's size: as Pillow did it in 2017, and as scikit-image does it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.interfaces import GreyImage, Size
from sigzoo_signet.canvas import Placed
from sigzoo_signet.smoothing import gaussian_weights, weighted_sum

__all__ = ["TRAINING_SIZE", "Cover", "SkimageResize", "cover", "resize_pillow"]

TRAINING_SIZE: Size = (170, 242)
"""Height and width of the published images before the crop."""

_BAND = 10
# Two passes of up to some hundred products in float32 err by far less than this on 0 .. 255.
_DOUBT = 2e-3
_WINDOW_PIXELS = 1 << 22


@dataclass(frozen=True)
class Cover:
    """How a canvas is scaled to cover 170 x 242."""

    resized: Size
    """Height and width after scaling; one of them may be larger than wanted."""

    start: Size
    """Row and column where the 170 x 242 begin."""


@lru_cache(maxsize=32)
def cover(canvas: Size) -> Cover:
    """Scale by the smaller of the two ratios and take the middle."""
    height, width = TRAINING_SIZE
    height_ratio, width_ratio = canvas[0] / height, canvas[1] / width
    if width_ratio > height_ratio:
        wide = round(canvas[1] / height_ratio)
        return Cover((height, wide), (0, round((wide - width) / 2.0)))
    high = round(canvas[0] / width_ratio)
    return Cover((high, width), (round((high - height) / 2.0), 0))


def resize_pillow(placed: Placed) -> GreyImage:
    """Resize a canvas to 170 x 242 as ``scipy.misc.imresize`` (bilinear) did on Python 3.

    The grey levels are stretched to 0 .. 255 first. Pillow resizes along the rows, rounds, then
    along the columns; so the rows without ink can be left out of the first pass.

    Returns
    -------
    ndarray
        uint8 ``(170, 242)``.
    """
    scaled = cover(placed.canvas)
    (high, wide), (top, left) = scaled.resized, scaled.start
    stretched = _stretch(placed)
    rows = stretched.shape[0]
    lines = np.zeros((rows, placed.canvas[1]), dtype=np.uint8)
    lines[:, placed.left : placed.left + stretched.shape[1]] = stretched
    window = np.zeros((placed.canvas[0], TRAINING_SIZE[1]), dtype=np.uint8)
    if stretched.size:
        narrow = Image.fromarray(lines).resize((wide, rows), Image.Resampling.BILINEAR)
        window[placed.top : placed.top + rows] = np.asarray(narrow)[:, left : left + TRAINING_SIZE[1]]
    low = Image.fromarray(window).resize((TRAINING_SIZE[1], high), Image.Resampling.BILINEAR)
    return np.asarray(low)[top : top + TRAINING_SIZE[0]].copy()


def _stretch(placed: Placed) -> GreyImage:
    """Stretch the grey levels so that the canvas's smallest is 0 and its largest 255, in float32."""
    highest = int(placed.ink.max(initial=0))
    lowest = int(placed.ink.min()) if placed.covers else 0
    if (lowest, highest) == (0, 255):
        return placed.ink
    scale = np.float32(255.0) / np.float32(max(1, highest - lowest))
    levels = (np.arange(256, dtype=np.float32) - np.float32(lowest)) * scale
    table = (levels.clip(0, 255) + np.float32(0.5)).astype(np.uint8)
    return table[placed.ink]


class SkimageResize:
    """Resizing as ``skimage.transform.resize(mode="constant", anti_aliasing=True)``, truncated to uint8.

    A Gaussian of sigma ``(factor - 1) / 2`` and a linear interpolation at the pixels' centres,
    together one banded matrix for each axis; applied in float32 to the inked part of the canvas
    only. Pixels too near an integer are computed again in float64, in scipy's order.

    Parameters
    ----------
    canvas
        Height and width of the canvas.
    start, size
        The part of the resized image that is wanted.
    """

    def __init__(self, canvas: Size, start: Size, size: Size) -> None:
        resized = cover(canvas).resized
        self._rows = _Axis(canvas[0], resized[0], start[0], size[0])
        self._columns = _Axis(canvas[1], resized[1], start[1], size[1])
        self._size = size

    def __call__(self, placed: Placed) -> GreyImage:
        """Resize a canvas, uint8 of `size`."""
        ink = placed.ink.astype(np.float32)
        narrow = self._columns.apply(self._rows.apply(ink, placed.top).T, placed.left).T
        highest = int(placed.ink.max(initial=0))
        lowest = int(placed.ink.min()) if placed.covers else 0
        above: GreyImage = np.clip(narrow + np.float32(_DOUBT), lowest, highest).astype(np.uint8)
        below = np.clip(narrow - np.float32(_DOUBT), lowest, highest).astype(np.uint8)
        rows, columns = np.nonzero(above != below)
        chunk = max(1, _WINDOW_PIXELS // (self._rows.window * self._columns.window))
        for first in range(0, rows.size, chunk):
            some = rows[first : first + chunk], columns[first : first + chunk]
            above[some] = self._exact(placed, *some).clip(lowest, highest).astype(np.uint8)
        above[~self._rows.inside] = 0
        above[:, ~self._columns.inside] = 0
        return above

    def _exact(
        self, placed: Placed, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Pixels of the result in float64, before clipping, exactly as scipy computes them."""
        down, across = self._rows, self._columns
        window = _gather(
            placed, down.starts[rows] - down.radius, across.starts[columns] - across.radius, self
        )
        total = np.zeros(rows.size)
        for row in range(2):
            taps = [window[:, row + tap] for tap in range(2 * down.radius + 1)]
            line = weighted_sum(taps, down.weights)
            for column in range(2):
                taps = [line[:, column + tap] for tap in range(2 * across.radius + 1)]
                value = weighted_sum(taps, across.weights)
                total += value * down.linear[rows, row] * across.linear[columns, column]
        return total

    @property
    def window(self) -> Size:
        """Height and width of the part of the canvas that one pixel of the result depends on."""
        return self._rows.window, self._columns.window


class _Axis:
    """One axis of the resizing: from `length` pixels to `size` of `resized`, from `start` on."""

    def __init__(self, length: int, resized: int, start: int, size: int) -> None:
        factor = length / resized
        sigma = max(0.0, (factor - 1) / 2)
        self.weights = gaussian_weights(sigma) if sigma > 1e-15 else (1.0,)
        self.radius = len(self.weights) // 2
        self.window = 2 * self.radius + 2
        positions = (np.arange(start, start + size) + 0.5) * factor - 0.5
        self.inside = (positions >= 0) & (positions <= length - 1)
        self.starts = np.floor(positions).astype(np.intp)
        near = 1.0 - (positions - self.starts)
        self.linear = np.stack([near, 1.0 - near], axis=1)
        self._length = length
        self._bands = self._build_bands()

    def _build_bands(self) -> list[tuple[slice, int, NDArray[np.float32]]]:
        """Blocks of the matrix: rows of the result, first pixel of the input, coefficients."""
        bands = []
        for first in range(0, len(self.starts), _BAND):
            rows = slice(first, min(first + _BAND, len(self.starts)))
            origin = int(self.starts[first]) - self.radius
            width = int(self.starts[rows.stop - 1]) - int(self.starts[first]) + self.window
            block = np.zeros((rows.stop - first, width))
            for row in range(first, rows.stop):
                for neighbour in range(2):
                    offset = int(self.starts[row]) - int(self.starts[first]) + neighbour
                    share = self.linear[row, neighbour] * self.inside[row]
                    block[row - first, offset : offset + len(self.weights)] += share * np.array(self.weights)
            bands.append((rows, origin, block.astype(np.float32)))
        return bands

    def apply(self, ink: NDArray[np.float32], offset: int) -> NDArray[np.float32]:
        """Resize along the first axis an array that begins at `offset` on the canvas, 0 around it."""
        result = np.zeros((len(self.starts), ink.shape[1]), dtype=np.float32)
        for rows, origin, block in self._bands:
            begin, end = max(origin, offset), min(origin + block.shape[1], offset + ink.shape[0])
            if begin < end:
                part = block[:, begin - origin : end - origin]
                np.matmul(part, ink[begin - offset : end - offset], out=result[rows])
        return result


def _gather(
    placed: Placed, tops: NDArray[np.intp], lefts: NDArray[np.intp], resize: SkimageResize
) -> NDArray[np.float64]:
    """Windows of the canvas, float64 ``(N, h, w)``, 0 beyond its edges."""
    height, width = resize.window
    rows = tops[:, None] + np.arange(height) - placed.top
    columns = lefts[:, None] + np.arange(width) - placed.left
    shown = (rows >= 0) & (rows < placed.ink.shape[0]), (columns >= 0) & (columns < placed.ink.shape[1])
    rows, columns = rows.clip(0, placed.ink.shape[0] - 1), columns.clip(0, placed.ink.shape[1] - 1)
    windows: NDArray[np.float64] = placed.ink[rows[:, :, None], columns[:, None, :]].astype(np.float64)
    windows *= shown[0][:, :, None] & shown[1][:, None, :]
    return windows
