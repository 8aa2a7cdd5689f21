"""Gaussian smoothing (sigma 2) of strips of an image in float32, and the exact sums behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import local
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike, NDArray

from sigzoo.interfaces import GreyImage

__all__ = [
    "DOUBT_ONE_PASS",
    "RADIUS",
    "SIGMA",
    "STRIP",
    "TAPS",
    "Buffers",
    "Strips",
    "buffers_of_thread",
    "gaussian_weights",
    "weighted_sum",
    "weighted_sums",
]

SIGMA = 2.0
RADIUS = 8
TAPS = 2 * RADIUS + 1
STRIP = 96
# 17 products of float32 and their sums err by less than 17 * 2**-24 * 255 = 2.6e-4 a pass.
DOUBT_ONE_PASS = 3e-4

# Pixels of a line that one product gives, down the columns and along the rows, as is fastest.
_BLOCK_DOWN, _BLOCK_ACROSS = 8, 16
# OpenBLAS starts threads of its own for products larger than 16 x 32 x 512.
_COLUMNS = 512
_KEPT_PIXELS = 1 << 22


@lru_cache(maxsize=32)
def gaussian_weights(sigma: float) -> tuple[float, ...]:
    """Weights of a Gaussian cut off at 4 sigma, summing to 1, centre in the middle."""
    radius = int(4.0 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    return tuple((weights / weights.sum()).tolist())


def weighted_sum(taps: Sequence[NDArray[Any]], weights: Sequence[float]) -> NDArray[np.float64]:
    """Sum symmetric taps in scipy's order: the centre, then pairs from the outermost inwards.

    Parameters
    ----------
    taps
        As many arrays of one shape as there are weights.
    weights
        Symmetric, odd in number.

    Returns
    -------
    ndarray
        float64, to the last bit what ``scipy.ndimage.correlate1d`` gives.
    """
    radius = len(weights) // 2
    total: NDArray[np.float64] = taps[radius].astype(np.float64) * weights[radius]
    for tap in range(radius):
        total += (taps[tap].astype(np.float64) + taps[-1 - tap]) * weights[tap]
    return total


def weighted_sums(windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What `weighted_sum` gives of ``(TAPS, N)`` with `SIGMA`, to the last bit, in fewer steps."""
    weights = np.array(gaussian_weights(SIGMA))[: RADIUS + 1, np.newaxis]
    taps = windows.astype(np.float64)
    terms = np.empty((RADIUS + 1, taps.shape[1]))
    np.multiply(taps[RADIUS], weights[RADIUS], out=terms[0])
    np.add(taps[:RADIUS], taps[:RADIUS:-1], out=terms[1:])
    terms[1:] *= weights[:RADIUS]
    # One after the other: `sum` may add in another order.
    total: NDArray[np.float64] = np.add.accumulate(terms, axis=0)[-1]
    return total


@lru_cache(maxsize=2)
def _band(block: int) -> NDArray[np.float32]:
    """Matrix that smooths `block` pixels of a line given `block` + 16 of them."""
    band = np.zeros((block, block + 2 * RADIUS), dtype=np.float32)
    for row in range(block):
        band[row, row : row + TAPS] = gaussian_weights(SIGMA)
    return band


@lru_cache(maxsize=1)
def _band_across() -> NDArray[np.float32]:
    """The same for products from the other side: with rows of its own they take half the time."""
    return np.ascontiguousarray(_band(_BLOCK_ACROSS).T)


class Buffers:
    """Arrays that a thread uses again for every image: fresh memory costs as much as the smoothing."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
        """An array of finite but arbitrary content, the same memory at every call."""
        size = shape[0] * shape[1]
        flat = self._kept.get(name)
        if flat is None or flat.size < size:
            flat = np.zeros(size, dtype=dtype)
            if size <= _KEPT_PIXELS:
                self._kept[name] = flat
        return flat[:size].reshape(shape)


class _OfThread(local):
    """Each thread's own buffers."""

    def __init__(self) -> None:
        self.buffers = Buffers()


_of_thread = _OfThread()


def buffers_of_thread() -> Buffers:
    """The calling thread's buffers."""
    return _of_thread.buffers


class Strips:
    """Smooths strips of up to `STRIP` rows in float32, in buffers that stay in the cache.

    Parameters
    ----------
    width
        Number of columns of the image, without the margins.
    buffers
        Where to take memory from.
    """

    def __init__(self, width: int, buffers: Buffers) -> None:
        blocks = -(-width // _BLOCK_ACROSS)
        self.room = blocks * _BLOCK_ACROSS + 2 * RADIUS
        """Columns of the strips: the image's, its margins, and what fills up the last block."""
        self.valid = width + 2 * RADIUS, width
        """Columns of the result that mean something, by axis."""
        self._source = buffers.array("source", (STRIP + 2 * RADIUS, self.room), np.float32)
        self._middle = buffers.array("middle", (STRIP, self.room), np.float32)
        self._result = buffers.array("result", (STRIP, self.room), np.float32)
        self._below = buffers.array("below", (STRIP, self.room), np.uint8)
        self._positive = buffers.array("positive", (STRIP, self.room), np.bool_)
        stride, unit = self._middle.strides
        strips, taps = STRIP // _BLOCK_DOWN, _BLOCK_DOWN + 2 * RADIUS
        strides = (_BLOCK_DOWN * stride, stride, unit)
        self._lines = as_strided(self._source, (strips, taps, self.room), strides)
        self._summed = self._middle.reshape(strips, _BLOCK_DOWN, self.room)
        strides = (_BLOCK_ACROSS * unit, stride, unit)
        self._windows = as_strided(self._middle, (blocks, STRIP, _BLOCK_ACROSS + 2 * RADIUS), strides)
        self._smoothed = as_strided(self._result, (blocks, STRIP, _BLOCK_ACROSS), strides)

    def down(self, source: NDArray[Any]) -> NDArray[np.float32]:
        """Smooth ``(rows + 16, W)`` along the columns to ``(rows, W)``, W up to `room`.

        The result is a view of a buffer, good until the next call.
        """
        rows, width = source.shape[0] - 2 * RADIUS, source.shape[1]
        self._source[: source.shape[0], :width] = source
        blocks, band = -(-rows // _BLOCK_DOWN), _band(_BLOCK_DOWN)
        for left in range(0, width, _COLUMNS):
            columns = slice(left, min(left + _COLUMNS, width))
            np.matmul(band, self._lines[:blocks, :, columns], out=self._summed[:blocks, :, columns])
        return self._middle[:rows, :width]

    def across(self, rows: int, width: int, source: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """Smooth ``(rows, W + 16)`` along the rows; without `source`, what `down` has left.

        The result is a view of a buffer, good until the next call: ``(rows, room)``, of which the
        first `width` columns mean something.
        """
        if source is not None:
            self._middle[:rows] = source
        blocks = -(-width // _BLOCK_ACROSS)
        np.matmul(self._windows[:blocks, :rows], _band_across(), out=self._smoothed[:blocks, :rows])
        return self._result[:rows]

    def truncate(self, smoothed: NDArray[np.float32], result: GreyImage) -> NDArray[np.bool_]:
        """Round smoothed inverted levels up, where they are not 0; say where that is in doubt."""
        below, positive = self._below[: len(smoothed)], self._positive[: len(smoothed)]
        np.add(smoothed, np.float32(DOUBT_ONE_PASS), out=result, casting="unsafe")
        np.subtract(smoothed, np.float32(DOUBT_ONE_PASS), out=below, casting="unsafe")
        unsure = below.view(np.bool_)
        np.not_equal(result, below, out=unsure)
        np.not_equal(smoothed, 0, out=positive)
        result += positive.view(np.uint8)
        return unsure
