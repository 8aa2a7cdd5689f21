"""From the canvas to the network's size: the geometry, and banded matrices that apply it fast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sigzoo.interfaces import Size

__all__ = ["TRAINING_SIZE", "BandedMatrix", "Cover", "cover"]

TRAINING_SIZE: Size = (170, 242)
"""Height and width of the published images before the crop."""

_BAND = 5
# Bands for which a part of the image is converted at once: as much as the cache holds.
_GROUP = 4


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


class BandedMatrix:
    """A matrix whose rows hold a few neighbouring coefficients each, moving steadily to the right.

    Parameters
    ----------
    first
        intp ``(M,)``, not falling: column of each row's first coefficient; may be negative.
    coefficients
        ``(M, K)``: each row's coefficients.
    dtype
        Type to compute in.
    """

    def __init__(self, first: NDArray[np.intp], coefficients: NDArray[Any], dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._height, taps = coefficients.shape
        self._bands: list[tuple[slice, int, NDArray[Any]]] = []
        for top in range(0, self._height, _BAND):
            rows = slice(top, min(top + _BAND, self._height))
            shifts = first[rows] - first[top]
            block = np.zeros((len(shifts), int(shifts[-1]) + taps), dtype=self._dtype)
            for row, shift in enumerate(shifts):
                block[row, shift : shift + taps] = coefficients[top + row]
            self._bands.append((rows, int(first[top]), block))

    def apply(self, lines: NDArray[Any], offset: int) -> NDArray[Any]:
        """Multiply with ``(n, W)`` whose first row stands at column `offset` of the matrix.

        What lies before and behind counts as 0. Gives ``(M, W)``.
        """
        result = np.zeros((self._height, lines.shape[1]), dtype=self._dtype)
        for group in range(0, len(self._bands), _GROUP):
            bands = self._bands[group : group + _GROUP]
            begin = max(offset, bands[0][1])
            end = min(offset + lines.shape[0], max(origin + block.shape[1] for _, origin, block in bands))
            if begin >= end:
                continue
            part = lines[begin - offset : end - offset].astype(self._dtype)
            for rows, origin, block in bands:
                low, high = max(origin, begin), min(origin + block.shape[1], end)
                if low < high:
                    np.matmul(
                        block[:, low - origin : high - origin],
                        part[low - begin : high - begin],
                        out=result[rows],
                    )
        return result
