"""Gaussian smoothing (sigma 2), fast, with every decision as scipy.ndimage would make it.

The smoothed image is only ever truncated to uint8 or compared with a threshold. So it is computed
in float32 as products with small banded matrices, and the few pixels that lie too near an integer
are computed again in float64, in scipy's order of operations.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage
from sigzoo_signet.strips import (
    RADIUS,
    SIGMA,
    STRIP,
    TAPS,
    Buffers,
    Strips,
    buffers_of_thread,
    gaussian_weights,
    weighted_sum,
    weighted_sums,
)

__all__ = ["smoothed_at_most", "truncating_smooth"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DOUBT_TWO_PASSES = 1e-3
_CHUNK = 1 << 12


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
    result = np.empty_like(image)
    _smooth_all(image, result, buffers_of_thread())
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
    padded = np.pad(image, RADIUS, mode="edge")
    dark = padded <= threshold
    strips = Strips(width, buffers_of_thread())
    doubtful: list[NDArray[np.intp]] = []
    for top in range(0, height, STRIP):
        # Farther than the radius from every dark pixel, a mean of light ones is light.
        columns = np.flatnonzero(dark[top : top + STRIP + 2 * RADIUS].any(axis=0))
        if columns.size == 0:
            continue
        left, right = max(0, int(columns[0]) - 2 * RADIUS), min(width, int(columns[-1]) + 1)
        part = ink[top : top + STRIP, left:right]
        strips.down(padded[top : top + STRIP + 2 * RADIUS, left : right + 2 * RADIUS])
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


def _smooth_all(image: GreyImage, result: GreyImage, buffers: Buffers) -> None:
    """Fill `result` with the image smoothed along both axes.

    Works on 255 minus the image, mirrored at the borders, in rows of the strips' whole width: what
    lies beside the image is smoothed along with it, since unbroken memory is worth more.
    """
    height, width = image.shape
    strips = Strips(width, buffers)
    rows, columns = _mirrored(height), _mirrored(width) + RADIUS
    inverted = buffers.array("inverted", (len(rows), strips.room), np.uint8)
    np.invert(_lines(image, rows), out=inverted[:, RADIUS : width + RADIUS])
    inverted[:, :RADIUS] = inverted[:, columns[:RADIUS]]
    inverted[:, width + RADIUS : width + 2 * RADIUS] = inverted[:, columns[-RADIUS:]]
    down = buffers.array("down", (height, strips.room), np.uint8)
    _truncating_pass(inverted, 0, strips, down)
    across = buffers.array("across", down.shape, np.uint8)
    _truncating_pass(down, 1, strips, across)
    np.invert(across[:, :width], out=result)


@lru_cache(maxsize=256)
def _mirrored(length: int) -> NDArray[np.intp]:
    """Places on an axis from `RADIUS` before it to `RADIUS` behind it, reflected at its ends."""
    places: NDArray[np.intp] = np.pad(np.arange(length), RADIUS, mode="symmetric")
    places.setflags(write=False)
    return places


def _truncating_pass(padded: GreyImage, axis: int, strips: Strips, result: GreyImage) -> None:
    """Smooth along one axis and truncate to uint8 as scipy does, on inverted grey levels.

    Takes 255 minus the image, from 8 pixels before it on along the axis, and fills in 255 minus
    the result. On white paper the inverted mean is exactly 0, and anything else is far enough
    from 0 to tell in float32; away from 0, truncating the mean is rounding the inverted one up.
    """
    height, doubtful = result.shape[0], []
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        source = padded[top : top + rows + (2 * RADIUS if axis == 0 else 0)]
        smoothed = strips.down(source) if axis == 0 else strips.across(rows, strips.valid[1], source)
        part = result[top : top + rows]
        unsure = strips.truncate(smoothed, part)
        unsure[:, strips.valid[axis] :] = False
        if np.count_nonzero(unsure) > part.size // 32:
            _settle_flat(part, unsure, source, axis)
        doubtful.append(np.flatnonzero(unsure) + top * strips.room)
    at = np.concatenate(doubtful)
    step = strips.room if axis == 0 else 1
    line, taps = padded.reshape(-1), step * np.arange(TAPS)[:, np.newaxis]
    for first in range(0, at.size, _CHUNK):
        some = at[first : first + _CHUNK]
        result.reshape(-1)[some] = ~_truncated(~line.take(some + taps))


def _truncated(windows: GreyImage) -> GreyImage:
    """Weighted sums of 17 grey levels, ``(TAPS, N)``, truncated, exactly as scipy computes them."""
    middle = windows[RADIUS]
    means: GreyImage = _flat_means().take(middle)
    uneven = np.flatnonzero((windows != middle).any(axis=0))
    means[uneven] = weighted_sums(windows.take(uneven, axis=1)).astype(np.uint8)
    return means


@lru_cache(maxsize=1)
def _flat_means() -> GreyImage:
    """What 17 pixels of each level become, ``(256,)``: rounding changes some levels."""
    means = weighted_sums(np.tile(np.arange(256, dtype=np.uint8), (TAPS, 1))).astype(np.uint8)
    means.setflags(write=False)
    return means


def _lines(image: GreyImage, rows: NDArray[np.intp]) -> GreyImage:
    """Some rows, a view of them where they follow each other."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return image[rows[0] : rows[-1] + 1]
    return image[rows]


def _settle_flat(result: GreyImage, unsure: Mask, source: GreyImage, axis: int) -> None:
    """Fill in the pixels of `result` whose 17 pixels in `source` are equal, and be sure of them."""
    flat = _flat_windows(source, axis)
    inner = source[RADIUS:-RADIUS] if axis == 0 else source[:, RADIUS:-RADIUS]
    result, unsure = result[:, : flat.shape[1]], unsure[:, : flat.shape[1]]
    np.copyto(result, inner, where=flat)
    for level, mean in _drifting_levels():
        np.copyto(result, np.uint8(255 - mean), where=flat & (inner == 255 - level))
    unsure &= ~flat


@lru_cache(maxsize=1)
def _drifting_levels() -> tuple[tuple[int, int], ...]:
    """Levels that smoothing changes although all 17 pixels hold them, and to what."""
    return tuple((level, mean) for level, mean in enumerate(_flat_means().tolist()) if mean != level)


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
    height, width = (side - 2 * RADIUS for side in padded.shape)
    weights = gaussian_weights(SIGMA)
    down = weighted_sum([padded[tap : tap + height] for tap in range(TAPS)], weights)
    return weighted_sum([down[:, tap : tap + width] for tap in range(TAPS)], weights)


def _exact_smooth_at(padded: GreyImage, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> FloatArray:
    """Smooth along both axes in float64 at some pixels only, exactly as scipy does."""
    weights = gaussian_weights(SIGMA)
    result = np.empty(rows.size)
    for first in range(0, rows.size, _CHUNK):
        some = slice(first, first + _CHUNK)
        across = columns[some, None] + np.arange(TAPS)
        down = weighted_sum([padded[rows[some, None] + tap, across] for tap in range(TAPS)], weights)
        result[some] = weighted_sum([down[:, tap] for tap in range(TAPS)], weights)
    return result
