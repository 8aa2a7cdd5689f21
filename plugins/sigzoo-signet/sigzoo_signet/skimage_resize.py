"""Resizing as sigver does it: ``skimage.transform.resize`` with anti-aliasing, truncated to uint8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage, Size
from sigzoo_signet.canvas import Placed
from sigzoo_signet.resizing import BandedMatrix, cover
from sigzoo_signet.strips import gaussian_weights, weighted_sum

__all__ = ["SkimageResize"]

# Two passes of up to some hundred products in float32 err by far less than this on 0 .. 255.
_DOUBT = 2e-3
_WINDOW_PIXELS = 1 << 22


class SkimageResize:
    """Resizing as ``skimage.transform.resize(mode="constant", anti_aliasing=True)``, truncated.

    A Gaussian of sigma ``(factor - 1) / 2`` and a linear interpolation at the pixels' centres,
    together one banded matrix for each axis; applied in float32, to the inked part of the canvas
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

    def __call__(self, placed: Placed) -> GreyImage:
        """Resize a canvas: uint8 of `size`."""
        narrow = self._rows.matrix.apply(placed.ink, placed.top)
        small = self._columns.matrix.apply(narrow.T, placed.left).T
        highest = int(placed.ink.max(initial=0))
        lowest = int(placed.ink.min()) if placed.covers else 0
        result: GreyImage = np.clip(small + np.float32(_DOUBT), lowest, highest).astype(np.uint8)
        below = np.clip(small - np.float32(_DOUBT), lowest, highest).astype(np.uint8)
        rows, columns = np.nonzero(result != below)
        chunk = max(1, _WINDOW_PIXELS // (self._rows.window * self._columns.window))
        for first in range(0, rows.size, chunk):
            some = rows[first : first + chunk], columns[first : first + chunk]
            result[some] = self._exact(placed, *some).clip(lowest, highest).astype(np.uint8)
        return result

    def _exact(
        self, placed: Placed, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Pixels of the result in float64, before clipping, exactly as scipy computes them."""
        down, across = self._rows, self._columns
        windows = _windows(placed, down.pixels(rows), across.pixels(columns))
        total = np.zeros(rows.size)
        for row in range(2):
            line = weighted_sum([windows[:, row + tap] for tap in range(len(down.weights))], down.weights)
            for column in range(2):
                value = weighted_sum(
                    [line[:, column + tap] for tap in range(len(across.weights))], across.weights
                )
                total += value * down.linear[rows, row] * across.linear[columns, column]
        return total


class _Axis:
    """One axis of the resizing: from `length` pixels to `size` of `resized`, from `start` on."""

    def __init__(self, length: int, resized: int, start: int, size: int) -> None:
        factor = length / resized
        sigma = max(0.0, (factor - 1) / 2)
        self.weights = gaussian_weights(sigma) if sigma > 1e-15 else (1.0,)
        self.window = len(self.weights) + 1
        positions = (np.arange(start, start + size) + 0.5) * factor - 0.5
        whole = np.floor(positions)
        near = 1.0 - (positions - whole)
        self.linear = np.stack([near, 1.0 - near], axis=1)
        self._first = whole.astype(np.intp) - len(self.weights) // 2
        taps = np.zeros((size, self.window))
        taps[:, :-1] = np.outer(self.linear[:, 0], self.weights)
        taps[:, 1:] += np.outer(self.linear[:, 1], self.weights)
        self.matrix = BandedMatrix(self._first, taps, np.float32)

    def pixels(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Pixels of the canvas that some pixels of the result depend on, ``(N, window)``."""
        pixels: NDArray[np.intp] = self._first[places, None] + np.arange(self.window)
        return pixels


def _windows(placed: Placed, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Parts of the canvas, float64 ``(N, h, w)``, 0 beyond its edges."""
    rows, columns = rows - placed.top, columns - placed.left
    height, width = placed.ink.shape
    shown = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    levels = placed.ink[rows.clip(0, height - 1)[:, :, None], columns.clip(0, width - 1)[:, None, :]]
    return np.where(shown, levels.astype(np.float64), 0.0)
