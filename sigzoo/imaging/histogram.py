"""How many pixels of a grey image have each of the 256 levels, and which level divides them best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["grey_histogram", "ink_threshold", "separation"]

_MANY = 1 << 15
"""Pixels from which on four counts are faster than one, their sum included."""


def grey_histogram(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels at each grey level: uint8 ``(H, W)`` in, int64 ``(256,)`` out.

    Pillow counts, an image of many pixels as one of four channels: a processor waits for one count before it
    adds to the same again, and most pixels of paper are alike.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.

    Returns
    -------
    array
        int64 ``(256,)``, whose sum is the number of pixels.
    """
    line = np.ascontiguousarray(image).reshape(-1)
    if line.size < _MANY:
        return _counts(line, "L", line.size)
    fours = line.size // 4
    counts: NDArray[np.int64] = _counts(line, "CMYK", fours).reshape(4, 256).sum(axis=0)
    for level in line[4 * fours :].tolist():
        counts[level] += 1
    return counts


def _counts(line: NDArray[np.uint8], mode: str, pixels: int) -> NDArray[np.int64]:
    """The histograms of an image's channels, one after the other."""
    found = Image.frombuffer(mode, (pixels, 1), line, "raw", mode, 0, 1).histogram()
    return np.fromiter(found, np.int64, len(found))


def ink_threshold(counts: NDArray[np.int64]) -> int:
    """Otsu's: the level up to which is ink, so that both sides are as much of one kind as can be.

    Of the histogram, ``(256,)``.
    """
    return int(np.argmax(separation(counts)))


def separation(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """How well each level divides a histogram: Otsu's variance between the classes; -1 where one is empty."""
    below, moment = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    both = below * (below[-1] - below)
    between = (moment[-1] * below / below[-1] - moment) ** 2
    found: NDArray[np.float64] = np.divide(between, both, out=np.full(256, -1.0), where=both > 0)
    return found
