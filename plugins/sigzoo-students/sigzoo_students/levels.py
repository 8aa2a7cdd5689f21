"""Whole grey levels, counted: what sorting says of an image, its histogram says in a tenth of the time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sigzoo.imaging import grey_histogram
from sigzoo.interfaces import GreyImage

__all__ = ["Counts", "black_and_white", "otsu", "percentile", "percentiles"]

Counts = NDArray[np.int64]
"""Number of pixels at each of the 256 levels."""


def black_and_white(image: GreyImage) -> bool:
    """Whether an image ``(H, W)`` holds the levels 0 and 255 alone, as a scan of two levels does."""
    middle = image[len(image) // 2]  # tells most scans of many levels apart, in no time
    return _ends_alone(middle) and _ends_alone(image)


def _ends_alone(levels: GreyImage) -> bool:
    return int((levels + np.uint8(1)).max()) <= 1  # 255 becomes 0


def percentiles(counts: Counts, shares: Sequence[float]) -> list[float]:
    """Levels below which these shares of the pixels lie, 0 to 1; exactly those of `numpy.percentile`.

    A place between two pixels in the order of brightness is interpolated linearly.
    """
    below = np.cumsum(counts)
    places = np.asarray(shares) * float(below[-1] - 1)
    lower = np.floor(places)
    pair = np.searchsorted(below, np.stack([lower, np.ceil(places)]), side="right")
    return [float(value) for value in pair[0] + (pair[1] - pair[0]) * (places - lower)]


def percentile(values: NDArray[np.float32], share: float) -> float:
    """Value below which this share of the values lies, each at least 0 and below 256.

    That of `numpy.percentile`, to the bit of the two values between which it lies: only those on the same
    whole levels are sorted.
    """
    place = share * (values.size - 1)
    lower = int(place)
    whole = values.astype(np.uint8)
    below = np.cumsum(grey_histogram(whole[np.newaxis]))
    upper = min(lower + 1, values.size - 1)
    first, last = np.searchsorted(below, [lower, upper], side="right")
    near = np.sort(values[(whole >= first) & (whole <= last)])
    before = int(below[first - 1]) if first else 0
    low, high = float(near[lower - before]), float(near[upper - before])
    return low + (high - low) * (place - lower)


def otsu(counts: Counts) -> tuple[float, float]:
    """Otsu's threshold, and how far the means of its two classes lie apart.

    Returns
    -------
    threshold : float
        Levels at or above it are the upper class; 255 where there is one level only.
    contrast : float
        Difference of the classes' means; 0 where there is one level only.

    References
    ----------
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979.
    """
    below = np.cumsum(counts, dtype=np.float64)
    moment = np.cumsum(counts * np.arange(256.0))
    above = below[-1] - below
    valid = (below > 0) & (above > 0)
    if not valid.any():
        return 255.0, 0.0
    under = moment / np.maximum(below, 1)
    over = (moment[-1] - moment) / np.maximum(above, 1)
    between = np.where(valid, below * above * (over - under) ** 2, -1.0)
    best = int(between.argmax())
    return best + 1.0, float(over[best] - under[best])
