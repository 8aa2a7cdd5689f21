"""Resampling with a triangle filter, as Pillow's bilinear does: only of the rectangle that is not 0."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

__all__ = ["Resampling"]

Floats = NDArray[np.float32]

_BAND = 8
"""New pixels that are computed together: they share old ones, and so small a product starts no threads."""


class Resampling:
    """From a stretch of one axis to `size` new pixels; outside the axis all is 0.

    Parameters
    ----------
    start, length
        The stretch that the new pixels divide, in pixels of the axis.
    size
        Number of new pixels.
    side
        Number of pixels of the axis.
    """

    def __init__(self, start: float, length: float, size: int, side: int) -> None:
        scale = length / size
        reach = max(scale, 1.0)
        centres = start + (np.arange(size) + 0.5) * scale
        # A pixel beyond both the axis and the stretch a filter is cut off; what is left weighs the more.
        begin, end = min(0, floor(start)) - 1, max(side, ceil(start + length)) + 1
        self._first = np.maximum(np.floor(centres - reach + 0.5).astype(np.intp), begin)
        taps = int(2 * reach) + 2
        places = self._first[:, np.newaxis] + np.arange(taps)
        weights = np.maximum(1.0 - np.abs(places + 0.5 - centres[:, np.newaxis]) / reach, 0.0)
        weights[places >= end] = 0.0
        weights /= weights.sum(axis=1, keepdims=True)
        # Line by line, each beginning at the first pixel of the band.
        band = self._first[np.arange(size) // _BAND * _BAND]
        shift = self._first - band
        self._weights = np.zeros((size, int(shift.max()) + taps), dtype=np.float32)
        self._weights[np.arange(size)[:, np.newaxis], places - band[:, np.newaxis]] = weights

    def __call__(self, lines: Floats, place: int) -> Floats:
        """Resample the first axis of ``(n, m)``, whose first line is pixel `place`; all others are 0."""
        size, width = self._weights.shape
        result = np.zeros((size, lines.shape[1]), dtype=np.float32)
        for top in range(0, size, _BAND):
            begin = int(self._first[top]) - place
            low, high = max(begin, 0), min(begin + width, len(lines))
            if low < high:
                weights = self._weights[top : top + _BAND, low - begin : high - begin]
                np.matmul(weights, lines[low:high], out=result[top : top + _BAND])
        return result
