"""Which pixels are ink, how dark each is against the paper, and what three numbers say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage, ImageError
from sigzoo_students.framing import framed
from sigzoo_students.levels import Counts, count_levels, otsu, percentiles
from sigzoo_students.memory import reused
from sigzoo_students.paper import Paper

__all__ = ["Floats", "Ink", "Mask", "find_ink", "ink_levels", "to_bytes"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_FAINTEST = 6.0
"""Grey levels by which ink, slightly blurred, must be darker than the paper around it, on average."""
_CLEAREST = 1.5
"""The same in standard deviations of the noise."""
_FAINT = 24.0
"""Below this many grey levels, ink must be sparse: faint and everywhere is a shadow."""
_SPARSE = 0.22
"""Largest share of the image that faint ink covers."""
_STRIP = 96
"""Rows that are worked on at a time."""
_ENOUGH = 1 << 16
"""Pixels, in rows at equal distances, that show whether an image is a negative, and its noise."""
_DIFFERENCE = 0.954
"""Median difference between neighbours, in standard deviations of Gaussian noise."""


@dataclass(frozen=True)
class Ink:
    """What `find_ink` finds of an image ``(H, W)``."""

    mask: Mask
    """Which pixels are ink."""
    depth: Floats
    """How much darker than the paper a pixel is, 0 to 255."""
    cut: float
    """Otsu's threshold of the depth, slightly blurred."""


def find_ink(image: GreyImage) -> Ink:
    """Tell ink from paper; an image whose greater part is dark is taken for its negative.

    The depth lies in memory that the same thread's next call uses again.

    Raises
    ------
    ImageError
        If no pixels stand out.
    """
    some = image[:: max(1, image.size // _ENOUGH)]
    low, middle, high = percentiles(count_levels(some), (0.005, 0.5, 0.995))
    grey = ~image if middle < 0.5 * (low + high) - 1.0 else image
    depth, smooth, levels = _depths(grey)
    counts = count_levels(levels)
    cut, contrast = otsu(counts)
    mask = smooth > 16.0 * _least(smooth, counts, cut)
    inked = np.count_nonzero(mask) / mask.size
    shadow = contrast < _FAINT and inked > _SPARSE
    if contrast < _FAINTEST or _noisy(some, contrast) or shadow or not inked:
        raise ImageError(
            f"the image ({image.shape[0]} x {image.shape[1]}) holds no ink: nothing stands out from the "
            "paper. Check that it is the right file and not a blank page."
        )
    return Ink(mask, depth, cut)


def _depths(grey: GreyImage) -> tuple[Floats, Floats, GreyImage]:
    """How much darker than the paper the pixels are, 16 times that slightly blurred, and its whole levels.

    The blur is the mean of 3 x 3 pixels, weights 1 2 1 in each direction; the outermost repeat. A strip of
    rows goes through all steps while it is in the processor's cache.
    """
    height, width = grey.shape
    paper, page = Paper(grey, 1), framed(grey)
    depth: Floats = reused("depth", page.shape, np.float32)
    smooth: Floats = reused("smooth", grey.shape, np.float32)
    levels: GreyImage = reused("levels", grey.shape, np.uint8)
    buffers: Floats = reused("buffers", (2, _STRIP + 2, width + 2), np.float32)
    done = 0
    for top in range(0, height + 2, _STRIP):
        bottom = min(top + _STRIP, height + 2)
        dark, light = depth[top:bottom], buffers[0, : bottom - top]
        paper.rows(top, bottom, dark)
        np.copyto(light, page[top:bottom])
        dark -= light
        np.maximum(dark, 0.0, out=dark)
        # Rows whose neighbours on both sides are there; 1 2 1 is twice the sum of two neighbours.
        ready = bottom - 2
        pairs, rows = buffers[0, : ready - done + 1], buffers[1, : ready - done]
        np.add(depth[done : bottom - 1], depth[done + 1 : bottom], out=pairs)
        np.add(pairs[:-1], pairs[1:], out=rows)
        pairs = np.add(rows[:, :-1], rows[:, 1:], out=pairs[:-1, :-1])
        sums = np.add(pairs[:, :-1], pairs[:, 1:], out=smooth[done:ready])
        np.multiply(sums, np.float32(1.0 / 16.0), out=levels[done:ready], casting="unsafe")
        done = ready
    return depth[1:-1, 1:-1], smooth, levels


def _least(smooth: Floats, counts: Counts, cut: float) -> float:
    """Depth above which ink begins: well above the paper's own, but near Otsu's threshold in any case."""

    def limited(middle: float) -> float:
        return max(min(3.0 * middle + 6.0, cut), 0.6 * cut)

    # The median lies in this whole level; its place therein hardly ever matters.
    level = int(
        np.searchsorted(np.cumsum(counts), [(smooth.size - 1) // 2, smooth.size // 2], side="right")[0]
    )
    least = limited(level)
    return least if least == limited(level + 1.0) else limited(float(np.median(smooth)) / 16.0)


def _noisy(rows: GreyImage, contrast: float) -> bool:
    """Whether half the pixels or more differ so much from their neighbours that the contrast may be noise."""
    left, right = rows[:, :-1], rows[:, 1:]
    difference = np.maximum(left, right) - np.minimum(left, right)
    large = np.count_nonzero(difference > int(contrast * _DIFFERENCE / _CLEAREST))
    return 2 * large > difference.size


def ink_levels(depth: Floats, shrunk: float = 1.0) -> GreyImage:
    """Describe the ink by three levels, 0 to 255.

    Parameters
    ----------
    depth
        float32 ``(H, W)``: how much darker than the paper a pixel is, 0 to 255.
    shrunk
        Pixels of the original image for one of these.

    Returns
    -------
    uint8 ``(3,)``
        With the ink's area (pixels above Otsu's threshold) and the number of its runs, along rows or
        columns, whichever are more: ``255 / 12 * log(runs)``, the length of the line, from 1 to e^12
        pixels; ``255 / 6 * (log(area / runs) + 1)``, the width of the stroke, from e^-1 to e^5 pixels;
        and the mean depth of the ink.
    """
    whole = depth.astype(np.uint8)
    # The threshold is a whole level: what is below it is so without its fraction.
    mask = whole >= int(otsu(count_levels(whole))[0])
    area = np.count_nonzero(mask)
    down = np.count_nonzero(mask[1:] > mask[:-1]) + np.count_nonzero(mask[0])
    across = np.count_nonzero(mask[:, 1:] > mask[:, :-1]) + np.count_nonzero(mask[:, 0])
    runs = max(1, down, across)
    width, length = max(1, area) / runs * shrunk, runs * shrunk
    dark = float(np.vdot(depth, mask.astype(np.float32))) / max(1, area)
    levels = 255 / 12 * np.log(length), 255 / 6 * (np.log(width) + 1.0), dark
    return to_bytes(np.array(levels, dtype=np.float32))


def to_bytes(values: Floats) -> GreyImage:
    """Round to whole levels, 0 to 255."""
    return (values + np.float32(0.5)).clip(0, 255).astype(np.uint8)
