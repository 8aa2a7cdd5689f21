"""Trivial baselines: what a few numbers about the ink and the scan can tell. A model must beat them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import ImageError

__all__ = [
    "STATISTICS",
    "image_statistics",
    "ink_statistics",
    "otsu_threshold",
    "scan_statistics",
    "standardised",
]

STATISTICS: dict[str, slice] = {
    "ink": slice(0, 4),
    "paper grey": slice(4, 5),
    "grey levels": slice(5, 6),
    "height": slice(6, 7),
}
"""The baselines by name: which numbers of `image_statistics` each of them has."""

_PAPER = 90
"""Percentile of the pixels that is taken for the paper."""


def image_statistics(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe an image by its ink and by what the scanner made of it.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.

    Returns
    -------
    float64 ``(7,)``
        `ink_statistics`, then `scan_statistics`.

    Raises
    ------
    ImageError
        If there is no ink.
    """
    return np.concatenate([ink_statistics(image), scan_statistics(image)])


def scan_statistics(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe how an image was taken: what a forger's scanner leaves, whatever was written.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.

    Returns
    -------
    float64 ``(3,)``
        The grey of the paper (90 % of the pixels are at most as light), 0 to 1; how many grey levels there
        are; the logarithm of the image's height in pixels.
    """
    levels = np.count_nonzero(np.bincount(image.ravel(), minlength=256))
    return np.array([np.percentile(image, _PAPER) / 255.0, float(levels), np.log(image.shape[0])])


def ink_statistics(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe an image by ink area, aspect, stroke width and darkness.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.

    Returns
    -------
    float64 ``(4,)``
        Logarithm of the ink's area in pixels; of its box's width over height; of the stroke width
        in pixels (mean length of the ink's runs, along rows or columns, whichever is less); mean
        darkness of the ink, 0 to 1.

    Raises
    ------
    ImageError
        If there is no ink.
    """
    counts = np.bincount(image.ravel(), minlength=256).astype(np.float64)
    ink = image <= otsu_threshold(counts)
    area = int(ink.sum())
    if area == 0 or area == image.size:
        raise ImageError("the image holds no ink.")
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    padded = np.pad(ink, 1)
    runs = max(np.count_nonzero(padded[1:] & ~padded[:-1]), np.count_nonzero(padded[:, 1:] & ~padded[:, :-1]))
    aspect = (columns[-1] - columns[0] + 1) / (rows[-1] - rows[0] + 1)
    darkness = 1.0 - float(image[ink].mean()) / 255.0
    return np.array([np.log(area), np.log(aspect), np.log(area / runs), darkness])


def standardised(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each column to mean 0 and deviation 1, so that cosines compare them fairly."""
    spread = statistics.std(axis=0)
    scaled: NDArray[np.float64] = (statistics - statistics.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def otsu_threshold(counts: NDArray[np.float64]) -> int:
    """Otsu's threshold of a histogram: levels up to it are one class; the lowest of equally good ones.

    Parameters
    ----------
    counts
        float64 ``(256,)``: how many pixels have each level.

    Returns
    -------
    int
        0 to 254; -1 where all pixels are of one level.

    References
    ----------
    Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9 (1979), Eq. (14).
    """
    below = np.cumsum(counts)
    moment = np.cumsum(counts * np.arange(256.0))
    above = below[-1] - below
    valid = (below > 0) & (above > 0)
    if not valid.any():
        return -1
    gap = (moment[-1] - moment) / np.maximum(above, 1) - moment / np.maximum(below, 1)
    return int(np.where(valid, below * above * gap * gap, -1.0).argmax())
