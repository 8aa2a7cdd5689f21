"""Gaussian smoothing (sigma 2), fast, with every decision as scipy.ndimage would make it.

The smoothed image is only ever truncated to uint8 or compared with a threshold. So it is computed in
float32 as products with small banded matrices, and the few pixels that lie too near an integer
are computed again in float64, in scipy's order of operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage

__all__ = ["gaussian_weights", "smoothed_at_most", "truncating_smooth", "weighted_sum"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SIGMA = 2.0
_RADIUS = 8
_TAPS = 2 * _RADIUS + 1
_BLOCK = 16
_STRIP = 96
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
    strips = _Strips(image.shape[1])
    return _truncating_pass(_truncating_pass(image, 0, strips), 1, strips)


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
    strips = _Strips(width + 2 * _RADIUS)
    doubtful: list[NDArray[np.intp]] = []
    for top in range(0, height, _STRIP):
        # Farther than the radius from every dark pixel, a mean of light ones is light.
        columns = np.flatnonzero(dark[top : top + _STRIP + 2 * _RADIUS].any(axis=0))
        if columns.size == 0:
            continue
        left, right = max(0, int(columns[0]) - 2 * _RADIUS), min(width, int(columns[-1]) + 1)
        source = padded[top : top + _STRIP + 2 * _RADIUS, left : right + 2 * _RADIUS]
        strips.source[: source.shape[0], : source.shape[1]] = source
        part = ink[top : top + _STRIP, left:right]
        strips.down(part.shape[0], source.shape[1])
        smoothed = strips.across(*part.shape)
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


class _Strips:
    """Smooths strips of up to `_STRIP` rows in float32, in buffers that stay in the cache.

    Fill `source` (for `down`) or `middle` (for `across`) before. What the methods return are views
    of the buffers, good until the next call.

    Parameters
    ----------
    width
        Largest number of columns that a strip will have, without the margins.
    """

    def __init__(self, width: int) -> None:
        room = -(-width // _BLOCK) * _BLOCK + 2 * _RADIUS
        self.source = np.zeros((_STRIP + 2 * _RADIUS, room), dtype=np.float32)
        self.middle = np.zeros((_STRIP, room), dtype=np.float32)
        self._result = np.zeros((_STRIP, room), dtype=np.float32)
        blocks = room // _BLOCK - 1
        stride, unit = self.middle.strides
        strides = (_BLOCK * unit, stride, unit)
        self._windows = as_strided(self.middle, (blocks, _STRIP, _BLOCK + 2 * _RADIUS), strides)
        self._smoothed = as_strided(self._result, (blocks, _STRIP, _BLOCK), strides)

    def down(self, rows: int, width: int) -> NDArray[np.float32]:
        """Smooth ``(rows + 16, width)`` of `source` along the columns into `middle`."""
        for first in range(0, rows, _BLOCK):
            last = min(first + _BLOCK, rows)
            band = _band()[: last - first, : last - first + 2 * _RADIUS]
            np.matmul(
                band, self.source[first : last + 2 * _RADIUS, :width], out=self.middle[first:last, :width]
            )
        return self.middle[:rows, :width]

    def across(self, rows: int, width: int) -> NDArray[np.float32]:
        """Smooth ``(rows, width + 16)`` of `middle` along the rows."""
        blocks = -(-width // _BLOCK)
        np.matmul(self._windows[:blocks, :rows], _band().T, out=self._smoothed[:blocks, :rows])
        return self._result[:rows, :width]


def _truncating_pass(image: GreyImage, axis: int, strips: _Strips) -> GreyImage:
    """Smooth along one axis, borders reflected, truncated to uint8 as scipy truncates."""
    height, width = image.shape
    mirrored = np.pad(np.arange(image.shape[axis]), _RADIUS, mode="symmetric")
    result, below = np.empty_like(image), np.empty((_STRIP, width), dtype=np.uint8)
    doubtful = []
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        if axis == 0:
            source = _lines(image, mirrored[top : top + rows + 2 * _RADIUS])
            strips.source[: rows + 2 * _RADIUS, :width] = source
            smoothed = strips.down(rows, width)
        else:
            source = image[top : top + rows]
            strips.middle[:rows, _RADIUS : width + _RADIUS] = source
            strips.middle[:rows, :_RADIUS] = source[:, mirrored[:_RADIUS]]
            strips.middle[:rows, width + _RADIUS : width + 2 * _RADIUS] = source[:, mirrored[-_RADIUS:]]
            smoothed = strips.across(rows, width)
        part = result[top : top + rows]
        np.add(smoothed, np.float32(_DOUBT_ONE_PASS), out=part, casting="unsafe")
        np.subtract(smoothed, np.float32(_DOUBT_ONE_PASS), out=below[:rows], casting="unsafe")
        unsure = part != below[:rows]
        if np.count_nonzero(unsure) > part.size // 32:
            windows = source if axis == 0 else np.pad(source, ((0, 0), (_RADIUS, _RADIUS)), mode="symmetric")
            unsure &= ~_settle_flat(part, windows, axis)
        doubtful.append(np.flatnonzero(unsure) + top * width)
    at = np.concatenate(doubtful)
    if at.size > image.size // 16:
        return _exact_pass(image, axis, mirrored)
    place = list(np.unravel_index(at, image.shape))
    along, taps = place[axis], []
    for tap in range(_TAPS):
        place[axis] = mirrored[along + tap]
        taps.append(image[tuple(place)])
    result.ravel()[at] = weighted_sum(taps, gaussian_weights(_SIGMA)).astype(np.uint8)
    return result


def _exact_pass(image: GreyImage, axis: int, mirrored: NDArray[np.intp]) -> GreyImage:
    """Smooth along one axis in float64: slow, for images that are full of doubtful pixels."""
    lines = image.take(mirrored, axis=axis)
    length = image.shape[axis]
    parts = [slice(tap, tap + length) for tap in range(_TAPS)]
    taps = [lines[part] if axis == 0 else lines[:, part] for part in parts]
    return weighted_sum(taps, gaussian_weights(_SIGMA)).astype(np.uint8)


def _lines(image: GreyImage, rows: NDArray[np.intp]) -> GreyImage:
    """Some rows, a view of them where they follow each other."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return image[rows[0] : rows[-1] + 1]
    return image[rows]


def _settle_flat(result: GreyImage, source: GreyImage, axis: int) -> Mask:
    """Fill in the pixels of `result` whose 17 pixels in `source` are equal; return where they are."""
    flat = _flat_windows(source, axis)
    inner = source[_RADIUS:-_RADIUS] if axis == 0 else source[:, _RADIUS:-_RADIUS]
    np.copyto(result, inner, where=flat)
    for level, mean in _drifting_levels():
        np.copyto(result, np.uint8(mean), where=flat & (inner == level))
    return flat


@lru_cache(maxsize=1)
def _drifting_levels() -> tuple[tuple[int, int], ...]:
    """Levels that smoothing changes although all 17 pixels hold them, and to what: rounding."""
    levels = np.arange(256)
    means = weighted_sum([levels] * _TAPS, gaussian_weights(_SIGMA)).astype(np.uint8)
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
