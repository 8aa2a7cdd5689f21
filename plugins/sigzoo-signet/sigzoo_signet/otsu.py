"""Otsu's threshold, as OpenCV and as scikit-image compute it: they differ where levels tie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "otsu_opencv", "otsu_skimage"]

Histogram = NDArray[np.int64]
"""Number of pixels at each of the 256 grey levels."""

_FLT_EPSILON = float(np.finfo(np.float32).eps)


def otsu_opencv(counts: Histogram) -> int:
    """Level that separates best, in OpenCV's order of floating point operations.

    The variance between the classes is computed level by level from running means, so that
    levels which tie on paper differ in the last bit; the first largest value wins. Levels that
    leave less than 1.2e-7 of the pixels in a class are passed over.

    Returns
    -------
    int
        Pixels at or below it are ink; 0 for an image of one level.

    References
    ----------
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979.
    """
    histogram = counts.tolist()
    scale = 1.0 / sum(histogram)
    total_mean = float(counts @ np.arange(256)) * scale
    dark_mean = dark_share = best_variance = 0.0
    best, most = 0, 1.0 - _FLT_EPSILON
    for level, count in enumerate(histogram):
        share = count * scale
        dark_mean *= dark_share
        dark_share += share
        light_share = 1.0 - dark_share
        if dark_share < _FLT_EPSILON or light_share < _FLT_EPSILON:
            continue
        if dark_share > most or light_share > most:
            continue
        dark_mean = (dark_mean + level * share) / dark_share
        light_mean = (total_mean - dark_share * dark_mean) / light_share
        variance = dark_share * light_share * (dark_mean - light_mean) * (dark_mean - light_mean)
        if variance > best_variance:
            best_variance, best = variance, level
    return best


def otsu_skimage(counts: Histogram) -> tuple[int, float]:
    """Level that separates best, in scikit-image's types and order of operations.

    Parameters
    ----------
    counts
        Histogram of an image of at least two levels.

    Returns
    -------
    threshold : int
        Pixels at or below it are ink.
    halfway : float
        The middle between the mean level of the ink and that of the paper; for an image of two
        levels, halfway between them.

    References
    ----------
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979.
    """
    present = np.flatnonzero(counts)
    levels = np.arange(present[0], present[-1] + 1)
    pixels = counts[levels].astype(np.float32)
    moments = pixels * levels
    dark, light = np.cumsum(pixels), np.cumsum(pixels[::-1])[::-1]
    dark_mean = np.cumsum(moments) / dark
    light_mean = (np.cumsum(moments[::-1]) / light[::-1])[::-1]
    variance = dark[:-1] * light[1:] * (dark_mean[:-1] - light_mean[1:]) ** 2
    best = int(np.argmax(variance))
    return int(levels[best]), float(dark_mean[best] + light_mean[best + 1]) / 2
