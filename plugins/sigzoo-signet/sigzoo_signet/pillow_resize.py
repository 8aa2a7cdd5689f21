"""Resizing as of 2017: ``scipy.misc.imresize``, which is Pillow's bilinear filter on stretched levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage, Size
from sigzoo_signet.canvas import Placed
from sigzoo_signet.resizing import BandedMatrix, cover

__all__ = ["PillowResize"]

_FIXED_POINT = 1 << 22


class PillowResize:
    """Resizing as ``scipy.misc.imresize`` (bilinear) did it on Python 3, pixel for pixel.

    Grey levels are stretched to 0 .. 255. Pillow then filters along the rows, rounds to uint8,
    and filters along the columns, with whole coefficients of 22 bits: their products with grey
    levels are exact in float64, so that matrices give the same, and only of the inked part.
    Pillow itself is not asked: from version 13 on it turns the order round on tall canvases.

    Parameters
    ----------
    canvas
        Height and width of the canvas.
    start, size
        The part of the resized image that is wanted.
    """

    def __init__(self, canvas: Size, start: Size, size: Size) -> None:
        resized = cover(canvas).resized
        self._rows = _pillow_axis(canvas[0], resized[0], start[0], size[0])
        self._columns = _pillow_axis(canvas[1], resized[1], start[1], size[1])

    def __call__(self, placed: Placed) -> GreyImage:
        """Resize a canvas: uint8 of `size`."""
        narrow = _rounded(self._columns.apply(_stretch(placed).T, placed.left))
        return _rounded(self._rows.apply(narrow.T, placed.top)).astype(np.uint8)


def _rounded(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole grey levels from sums in fixed point, in place."""
    sums *= 1.0 / _FIXED_POINT
    sums += 0.5
    return np.floor(sums, out=sums)


def _stretch(placed: Placed) -> GreyImage:
    """Stretch grey levels so that the canvas's smallest is 0 and its largest 255, uint8.

    In float32, as the published program computed it.
    """
    highest = int(placed.ink.max(initial=0))
    lowest = int(placed.ink.min()) if placed.covers else 0
    if (lowest, highest) == (0, 255):
        return placed.ink
    levels = placed.ink.astype(np.float32)
    if lowest:
        levels -= np.float32(lowest)
    levels *= np.float32(255.0) / np.float32(max(1, highest - lowest))
    levels += np.float32(0.5)
    return levels.astype(np.uint8)


def _pillow_axis(length: int, resized: int, start: int, size: int) -> BandedMatrix:
    """Pillow's bilinear coefficients in fixed point, from `length` pixels to part of `resized`."""
    scale = length / resized
    reach = max(scale, 1.0)
    centres = (np.arange(start, start + size) + 0.5) * scale
    first = np.maximum((centres - reach + 0.5).astype(np.intp), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.intp), length)
    pixels = first[:, None] + np.arange(int((last - first).max()))
    weights = 1.0 - np.abs((pixels - centres[:, None] + 0.5) * (1.0 / reach))
    weights[(weights < 0.0) | (pixels >= last[:, None])] = 0.0
    total = np.cumsum(weights, axis=1)[:, -1:]  # one by one, as Pillow adds them
    return BandedMatrix(first, np.floor(0.5 + weights / total * _FIXED_POINT), np.float64)
