"""Gaussian smoothing (sigma 2), fast, with every decision as scipy.ndimage would make it.

The smoothed image is only ever truncated to uint8 or compared with a threshold. So it is computed
in float32 as products with small banded matrices, and the few pixels that lie too near an integer
are computed again in float64, in scipy's order of operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Thread, local
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike, NDArray

from sigzoo.interfaces import GreyImage

__all__ = ["gaussian_weights", "smoothed_at_most", "truncating_smooth", "weighted_sum"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SIGMA = 2.0
_RADIUS = 8
_TAPS = 2 * _RADIUS + 1
_BLOCK = 16
_STRIP = 96
# OpenBLAS starts threads of its own for products larger than 16 x 32 x 512.
_COLUMNS = 512
_WORTH_A_THREAD = 1 << 17
_KEPT_PIXELS = 1 << 22
# 17 products of float32 and their sums err by less than 17 * 2**-24 * 255 = 2.6e-4 a pass.
_DOUBT_ONE_PASS = 3e-4
_DOUBT_TWO_PASSES = 1e-3
_CHUNK = 1 << 12


@lru_cache(maxsize=32)
def gaussian_weights(sigma: float) -> tuple[float, ...]:
    """Weights of a Gaussian cut off at 4 sigma, summing to 1, centre in the middle."""
    radius = int(4.0 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    return tuple((weights / weights.sum()).tolist())


def weighted_sum(taps: Sequence[NDArray[Any]], weights: Sequence[float]) -> FloatArray:
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
    total: FloatArray = taps[radius].astype(np.float64) * weights[radius]
    for tap in range(radius):
        total += (taps[tap].astype(np.float64) + taps[-1 - tap]) * weights[tap]
    return total


def truncating_smooth(image: GreyImage) -> GreyImage:
    """Smooth with sigma 2, truncating to uint8 after each axis, borders reflected.

    What ``scipy.ndimage.gaussian_filter(image, 2)`` gives for a uint8 image, pixel for pixel.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.

    Returns
    -------
    ndarray
        uint8 ``(H, W)``.
    """
    height = image.shape[0]
    result = np.empty_like(image)
    if image.size < _WORTH_A_THREAD or height < 2 or torch.get_num_threads() == 1:
        _smooth_rows(image, 0, height, result, _buffers(0))
        return result
    middle = height // 2
    lower = Thread(target=_smooth_rows, args=(image, middle, height, result, _buffers(1)))
    lower.start()
    _smooth_rows(image, 0, middle, result, _buffers(0))
    lower.join()
    return result


def smoothed_at_most(image: GreyImage, threshold: float) -> Mask:
    """Say where the image smoothed with sigma 2 (float64, borders extended) is at most `threshold`.

    What ``skimage.filters.gaussian(image, 2, preserve_range=True) <= threshold`` gives, pixel for
    pixel, for a threshold below the image's largest level.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.
    threshold
        Grey level.

    Returns
    -------
    ndarray
        bool ``(H, W)``.
    """
    height, width = image.shape
    ink = np.zeros(image.shape, dtype=np.bool_)
    padded = np.pad(image, _RADIUS, mode="edge")
    dark = padded <= threshold
    strips = _Strips(width, _buffers(0))
    doubtful: list[NDArray[np.intp]] = []
    for top in range(0, height, _STRIP):
        # Farther than the radius from every dark pixel, a mean of light ones is light.
        columns = np.flatnonzero(dark[top : top + _STRIP + 2 * _RADIUS].any(axis=0))
        if columns.size == 0:
            continue
        left, right = max(0, int(columns[0]) - 2 * _RADIUS), min(width, int(columns[-1]) + 1)
        part = ink[top : top + _STRIP, left:right]
        strips.down(padded[top : top + _STRIP + 2 * _RADIUS, left : right + 2 * _RADIUS])
        smoothed = strips.across(*part.shape)[:, : part.shape[1]]
        np.less_equal(smoothed, threshold, out=part)
        near = np.flatnonzero(np.abs(smoothed - np.float32(threshold)) < _DOUBT_TWO_PASSES)
        rows, across = np.unravel_index(near, part.shape)
        doubtful.append((rows + top) * width + across + left)
    at = np.concatenate(doubtful) if doubtful else np.empty(0, dtype=np.intp)
    if at.size > image.size // 64:
        return _exact_smooth(padded) <= threshold
    rows, across = np.unravel_index(at, image.shape)
    ink[rows, across] = _exact_smooth_at(padded, rows, across) <= threshold
    return ink


@lru_cache(maxsize=1)
def _band() -> NDArray[np.float32]:
    """Matrix that smooths `_BLOCK` pixels of a line given `_BLOCK` + 16 of them."""
    band = np.zeros((_BLOCK, _BLOCK + 2 * _RADIUS), dtype=np.float32)
    for row in range(_BLOCK):
        band[row, row : row + _TAPS] = gaussian_weights(_SIGMA)
    return band


class _Buffers:
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
    """Each thread's own buffers: its own part of an image, and the part of the helper it starts."""

    def __init__(self) -> None:
        self.parts = _Buffers(), _Buffers()


_of_thread = _OfThread()


def _buffers(part: int) -> _Buffers:
    return _of_thread.parts[part]


class _Strips:
    """Smooths strips of up to `_STRIP` rows in float32, in buffers that stay in the cache.

    Parameters
    ----------
    width
        Number of columns of the image, without the margins.
    buffers
        Where to take memory from.
    """

    def __init__(self, width: int, buffers: _Buffers) -> None:
        blocks = -(-width // _BLOCK)
        self.room = blocks * _BLOCK + 2 * _RADIUS
        """Columns of the strips: the image's, its margins, and what fills up the last block."""
        self.valid = width + 2 * _RADIUS, width
        """Columns of the result that mean something, by axis."""
        self._source = buffers.array("source", (_STRIP + 2 * _RADIUS, self.room), np.float32)
        self._middle = buffers.array("middle", (_STRIP, self.room), np.float32)
        self._result = buffers.array("result", (_STRIP, self.room), np.float32)
        self._below = buffers.array("below", (_STRIP, self.room), np.uint8)
        self._positive = buffers.array("positive", (_STRIP, self.room), np.bool_)
        stride, unit = self._middle.strides
        strips, taps = _STRIP // _BLOCK, _BLOCK + 2 * _RADIUS
        self._lines = as_strided(self._source, (strips, taps, self.room), (_BLOCK * stride, stride, unit))
        self._summed = self._middle.reshape(strips, _BLOCK, self.room)
        strides = (_BLOCK * unit, stride, unit)
        self._windows = as_strided(self._middle, (blocks, _STRIP, _BLOCK + 2 * _RADIUS), strides)
        self._smoothed = as_strided(self._result, (blocks, _STRIP, _BLOCK), strides)

    def down(self, source: NDArray[Any]) -> NDArray[np.float32]:
        """Smooth ``(rows + 16, W)`` along the columns to ``(rows, W)``, W up to `room`.

        The result is a view of a buffer, good until the next call.
        """
        rows, width = source.shape[0] - 2 * _RADIUS, source.shape[1]
        self._source[: source.shape[0], :width] = source
        blocks = -(-rows // _BLOCK)
        for left in range(0, width, _COLUMNS):
            columns = slice(left, min(left + _COLUMNS, width))
            np.matmul(_band(), self._lines[:blocks, :, columns], out=self._summed[:blocks, :, columns])
        return self._middle[:rows, :width]

    def across(self, rows: int, width: int, source: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """Smooth ``(rows, W + 16)`` along the rows; without `source`, what `down` has left.

        The result is a view of a buffer, good until the next call: ``(rows, room)``, of which the
        first `width` columns mean something.
        """
        if source is not None:
            self._middle[:rows] = source
        blocks = -(-width // _BLOCK)
        np.matmul(self._windows[:blocks, :rows], _band().T, out=self._smoothed[:blocks, :rows])
        return self._result[:rows]

    def truncate(self, smoothed: NDArray[np.float32], result: GreyImage) -> Mask:
        """Round smoothed inverted levels up, where they are not 0; say where that is in doubt."""
        below, positive = self._below[: len(smoothed)], self._positive[: len(smoothed)]
        np.add(smoothed, np.float32(_DOUBT_ONE_PASS), out=result, casting="unsafe")
        np.subtract(smoothed, np.float32(_DOUBT_ONE_PASS), out=below, casting="unsafe")
        unsure = below.view(np.bool_)
        np.not_equal(result, below, out=unsure)
        np.not_equal(smoothed, 0, out=positive)
        result += positive
        return unsure


def _smooth_rows(image: GreyImage, first: int, last: int, result: GreyImage, buffers: _Buffers) -> None:
    """Fill some rows of `result` with the image smoothed along both axes.

    Works on 255 minus the image, mirrored at the borders, in rows of the strips' whole width: what
    lies beside the image is smoothed along with it, since unbroken memory is worth more.
    """
    height, width = image.shape
    strips = _Strips(width, buffers)
    rows = np.pad(np.arange(height), _RADIUS, mode="symmetric")[first : last + 2 * _RADIUS]
    columns = np.pad(np.arange(width), _RADIUS, mode="symmetric") + _RADIUS
    inverted = buffers.array("inverted", (len(rows), strips.room), np.uint8)
    np.invert(_lines(image, rows), out=inverted[:, _RADIUS : width + _RADIUS])
    inverted[:, :_RADIUS] = inverted[:, columns[:_RADIUS]]
    inverted[:, width + _RADIUS : width + 2 * _RADIUS] = inverted[:, columns[-_RADIUS:]]
    down = buffers.array("down", (last - first, strips.room), np.uint8)
    _truncating_pass(inverted, 0, strips, down)
    across = buffers.array("across", down.shape, np.uint8)
    _truncating_pass(down, 1, strips, across)
    np.invert(across[:, :width], out=result[first:last])


def _truncating_pass(padded: GreyImage, axis: int, strips: _Strips, result: GreyImage) -> None:
    """Smooth along one axis and truncate to uint8 as scipy does, on inverted grey levels.

    Takes 255 minus the image, from 8 pixels before it on along the axis, and fills in 255 minus
    the result. On white paper the inverted mean is exactly 0, and anything else is far enough
    from 0 to tell in float32; away from 0, truncating the mean is rounding the inverted one up.
    """
    height, doubtful = result.shape[0], []
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        source = padded[top : top + rows + (2 * _RADIUS if axis == 0 else 0)]
        smoothed = strips.down(source) if axis == 0 else strips.across(rows, strips.valid[1], source)
        part = result[top : top + rows]
        unsure = strips.truncate(smoothed, part)
        unsure[:, strips.valid[axis] :] = False
        if np.count_nonzero(unsure) > part.size // 32:
            _settle_flat(part, unsure, source, axis)
        doubtful.append(np.flatnonzero(unsure) + top * strips.room)
    at = np.concatenate(doubtful)
    step = strips.room if axis == 0 else 1
    line = padded.ravel()
    for first in range(0, at.size, _CHUNK):
        some = at[first : first + _CHUNK]
        result.ravel()[some] = ~_truncated([~line.take(some + tap * step) for tap in range(_TAPS)])


def _truncated(taps: Sequence[GreyImage]) -> GreyImage:
    """Weighted sum of 17 grey levels, truncated, exactly as scipy computes it."""
    return weighted_sum(taps, gaussian_weights(_SIGMA)).astype(np.uint8)


def _lines(image: GreyImage, rows: NDArray[np.intp]) -> GreyImage:
    """Some rows, a view of them where they follow each other."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return image[rows[0] : rows[-1] + 1]
    return image[rows]


def _settle_flat(result: GreyImage, unsure: Mask, source: GreyImage, axis: int) -> None:
    """Fill in the pixels of `result` whose 17 pixels in `source` are equal, and be sure of them."""
    flat = _flat_windows(source, axis)
    inner = source[_RADIUS:-_RADIUS] if axis == 0 else source[:, _RADIUS:-_RADIUS]
    result, unsure = result[:, : flat.shape[1]], unsure[:, : flat.shape[1]]
    np.copyto(result, inner, where=flat)
    for level, mean in _drifting_levels():
        np.copyto(result, np.uint8(255 - mean), where=flat & (inner == 255 - level))
    unsure &= ~flat


@lru_cache(maxsize=1)
def _drifting_levels() -> tuple[tuple[int, int], ...]:
    """Levels that smoothing changes although all 17 pixels hold them, and to what: rounding."""
    levels = np.arange(256, dtype=np.uint8)
    means = _truncated([levels] * _TAPS)
    return tuple((int(level), int(means[level])) for level in levels if means[level] != level)


def _flat_windows(padded: GreyImage, axis: int) -> Mask:
    """Say where all 17 pixels along an axis are equal."""
    if axis == 0:
        changes = padded[1:] != padded[:-1]
        for width in (1, 2, 4, 8):
            changes = changes[:-width] | changes[width:]
    else:
        changes = padded[:, 1:] != padded[:, :-1]
        for width in (1, 2, 4, 8):
            changes = changes[:, :-width] | changes[:, width:]
    flat: Mask = np.logical_not(changes)
    return flat


def _exact_smooth(padded: GreyImage) -> FloatArray:
    """Smooth along both axes in float64, exactly as scipy does."""
    height, width = (side - 2 * _RADIUS for side in padded.shape)
    weights = gaussian_weights(_SIGMA)
    down = weighted_sum([padded[tap : tap + height] for tap in range(_TAPS)], weights)
    return weighted_sum([down[:, tap : tap + width] for tap in range(_TAPS)], weights)


def _exact_smooth_at(padded: GreyImage, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> FloatArray:
    """Smooth along both axes in float64 at some pixels only, exactly as scipy does."""
    weights = gaussian_weights(_SIGMA)
    result = np.empty(rows.size)
    for first in range(0, rows.size, _CHUNK):
        some = slice(first, first + _CHUNK)
        across = columns[some, None] + np.arange(_TAPS)
        down = weighted_sum([padded[rows[some, None] + tap, across] for tap in range(_TAPS)], weights)
        result[some] = weighted_sum([down[:, tap] for tap in range(_TAPS)], weights)
    return result
