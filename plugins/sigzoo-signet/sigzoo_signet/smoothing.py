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
_BLOCK = 32
# 17 products of float32 and their sums err by less than 17 * 2**-24 * 255 = 2.6e-4 a pass.
_DOUBT_ONE_PASS = 3e-4
_DOUBT_TWO_PASSES = 1e-3
_CHUNK = 1 << 14


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
    return _truncating_pass(_truncating_pass(image, 0), 1)


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
    result = np.zeros(image.shape, dtype=np.bool_)
    dark = image <= threshold
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    if rows.size == 0:
        return result
    # Farther than the radius from every dark pixel a mean of light ones cannot be dark; twice the
    # radius, so that what is smoothed next to the cut lies farther than that.
    region = tuple(
        slice(max(0, int(where[0]) - 2 * _RADIUS), int(where[-1]) + 2 * _RADIUS + 1)
        for where in (rows, columns)
    )
    padded = np.pad(image[region], _RADIUS, mode="edge")
    smoothed = _correlate(_correlate(padded, 0), 1)
    ink: Mask = smoothed <= threshold
    doubtful = np.flatnonzero(np.abs(smoothed - np.float32(threshold)) < _DOUBT_TWO_PASSES)
    if doubtful.size > ink.size // 64:
        ink = _exact_smooth(padded) <= threshold
    elif doubtful.size:
        at = np.unravel_index(doubtful, ink.shape)
        ink[at] = _exact_smooth_at(padded, *at) <= threshold
    result[region] = ink
    return result


@lru_cache(maxsize=1)
def _band() -> NDArray[np.float32]:
    """Matrix that smooths `_BLOCK` pixels of a line given `_BLOCK` + 16 of them."""
    band = np.zeros((_BLOCK, _BLOCK + 2 * _RADIUS), dtype=np.float32)
    for row in range(_BLOCK):
        band[row, row : row + _TAPS] = gaussian_weights(_SIGMA)
    return band


def _correlate(padded: NDArray[Any], axis: int) -> NDArray[np.float32]:
    """Smooth an array that is `_RADIUS` longer on both sides of an axis, in float32."""
    count = padded.shape[axis] - 2 * _RADIUS
    blocks = -(-count // _BLOCK)
    shape = list(padded.shape)
    shape[axis] = blocks * _BLOCK + 2 * _RADIUS
    lines = np.zeros(shape, dtype=np.float32)
    if axis == 0:
        lines[: padded.shape[0]] = padded
        stride, unit = lines.strides
        windows = as_strided(lines, (blocks, _BLOCK + 2 * _RADIUS, shape[1]), (_BLOCK * stride, stride, unit))
        smoothed = np.empty((blocks, _BLOCK, shape[1]), dtype=np.float32)
        np.matmul(_band(), windows, out=smoothed)
        return smoothed.reshape(blocks * _BLOCK, shape[1])[:count]
    lines[:, : padded.shape[1]] = padded
    stride, unit = lines.strides
    windows = as_strided(lines, (blocks, shape[0], _BLOCK + 2 * _RADIUS), (_BLOCK * unit, stride, unit))
    result = np.empty((shape[0], blocks * _BLOCK), dtype=np.float32)
    stride = result.strides[0]
    np.matmul(
        windows, _band().T, out=as_strided(result, (blocks, shape[0], _BLOCK), (_BLOCK * unit, stride, unit))
    )
    return result[:, :count]


def _truncating_pass(image: GreyImage, axis: int) -> GreyImage:
    """Smooth along one axis, borders reflected, truncated to uint8 as scipy truncates."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (_RADIUS, _RADIUS)
    padded = np.pad(image, padding, mode="symmetric")
    smoothed = _correlate(padded, axis)
    result = (smoothed + np.float32(_DOUBT_ONE_PASS)).astype(np.uint8)
    doubtful = result != (smoothed - np.float32(_DOUBT_ONE_PASS)).astype(np.uint8)
    flat = _flat_windows(padded, axis)
    np.copyto(result, image, where=flat)
    for level, mean in _drifting_levels():
        result[flat & (image == level)] = mean
    doubtful &= ~flat
    at = np.unravel_index(np.flatnonzero(doubtful), image.shape)
    for start in range(0, at[0].size, _CHUNK):
        rows, columns = (index[start : start + _CHUNK] for index in at)
        steps = range(_TAPS)
        taps = [padded[rows + step, columns] if axis == 0 else padded[rows, columns + step] for step in steps]
        result[rows, columns] = weighted_sum(taps, gaussian_weights(_SIGMA)).astype(np.uint8)
    return result


@lru_cache(maxsize=1)
def _drifting_levels() -> tuple[tuple[int, int], ...]:
    """Levels that smoothing changes although all 17 pixels hold them, and to what: rounding."""
    levels = np.arange(256)
    means = weighted_sum([levels] * _TAPS, gaussian_weights(_SIGMA)).astype(np.uint8)
    return tuple((int(level), int(means[level])) for level in levels if means[level] != level)


def _flat_windows(padded: GreyImage, axis: int) -> Mask:
    """Say where all 17 pixels along an axis are equal."""
    lines = padded if axis == 0 else padded.T
    changes = lines[1:] != lines[:-1]
    for width in (1, 2, 4, 8):
        changes = changes[:-width] | changes[width:]
    flat: Mask = ~(changes if axis == 0 else changes.T)
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
    across = columns[:, None] + np.arange(_TAPS)
    down = weighted_sum([padded[rows[:, None] + tap, across] for tap in range(_TAPS)], weights)
    return weighted_sum([down[:, tap] for tap in range(_TAPS)], weights)
