"""Which pixels are ink, how dark each is against the paper, and what three numbers say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.imaging import grey_histogram, reused
from sigzoo.interfaces import GreyImage, ImageError
from sigzoo_students.framing import framed
from sigzoo_students.levels import Counts, otsu, percentiles
from sigzoo_students.paper import Paper

__all__ = ["Floats", "Ink", "Mask", "Places", "find_ink", "ink_levels", "to_bytes"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.uint16]

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
    """Which pixels are ink; bool ``(H, W + 2)``, the last two columns False: rows are one line of memory."""
    depth: Floats
    """How much darker than the paper a pixel is, 0 to 255; ``(H + 2, W + 2)``, with a frame around it."""
    cut: float
    """Otsu's threshold of the depth, slightly blurred."""
    rows: Places
    """Number of pixels with ink in each row, ``(H,)``."""
    columns: Places
    """The same in each column, ``(W,)``."""


def find_ink(image: GreyImage) -> Ink:
    """Tell ink from paper; an image whose greater part is dark is taken for its negative.

    What is found lies in memory that the same thread's next call uses again.

    Raises
    ------
    ImageError
        If no pixels stand out.
    """
    some = np.ascontiguousarray(image[:: max(1, image.size // _ENOUGH)])
    low, middle, high = percentiles(grey_histogram(some), (0.005, 0.5, 0.995))
    grey = ~image if middle < 0.5 * (low + high) - 1.0 else image
    depth, smooth, levels = _depths(grey)
    counts = grey_histogram(levels)
    cut, contrast = otsu(counts)
    mask: Mask = reused("mask", smooth.shape, np.bool_)
    np.greater(smooth, 16.0 * _least(smooth[:, :-2], counts, cut), out=mask)
    mask[:, -2:] = False
    rows, columns = (mask.view(np.uint8).sum(axis=axis, dtype=np.uint16) for axis in (1, 0))
    inked = int(rows.sum(dtype=np.int64)) / image.size
    shadow = contrast < _FAINT and inked > _SPARSE
    if contrast < _FAINTEST or _noisy(some, contrast) or shadow or not inked:
        raise ImageError(
            f"the image ({image.shape[0]} x {image.shape[1]}) holds no ink: nothing stands out from the "
            "paper. Check that it is the right file and not a blank page."
        )
    return Ink(mask, depth, cut, rows, columns[:-2])


def _depths(grey: GreyImage) -> tuple[Floats, Floats, GreyImage]:
    """How much darker than the paper the pixels are, 16 times that slightly blurred, and its whole levels.

    The blur is the mean of 3 x 3 pixels, weights 1 2 1 in each direction; the outermost repeat. A strip of
    rows goes through all steps while it is in the processor's cache, as one line of memory: numpy takes four
    times as long for a part of each row. What comes of the last pixels of a row and the first of the next
    stands in two columns more, and means nothing.

    Returns
    -------
    depth
        float32 ``(H + 2, W + 2)``, with a frame around the image.
    smooth
        float32 ``(H, W + 2)``, with two columns behind it.
    levels
        uint8 ``(H, W)``.
    """
    height, width = grey.shape
    paper, page = Paper(grey, 1), framed(grey)
    depth: Floats = reused("depth", page.shape, np.float32)
    smooth: Floats = reused("smooth", (height, width + 2), np.float32)
    smooth[-1, -2:] = 0.0
    levels: GreyImage = reused("levels", grey.shape, np.uint8)
    buffers: Floats = reused("buffers", (2, _STRIP + 2, width + 2), np.float32)
    done = 0
    for top in range(0, height + 2, _STRIP):
        bottom = min(top + _STRIP, height + 2)
        dark, light = depth[top:bottom], buffers[0, : bottom - top]
        paper.rows(top, bottom, dark)
        np.copyto(light, page[top:bottom])
        dark -= light
        np.clip(dark, 0.0, 255.0, out=dark)  # `maximum` with a number takes three times as long
        # Rows whose neighbours on both sides are there; 1 2 1 is twice the sum of two neighbours.
        ready = bottom - 2
        pairs, rows = buffers[0, : ready - done + 1], buffers[1, : ready - done]
        np.add(depth[done : bottom - 1], depth[done + 1 : bottom], out=pairs)
        np.add(pairs[:-1], pairs[1:], out=rows)
        line, pair, sums = rows.reshape(-1), pairs[:-1].reshape(-1), smooth[done:ready].reshape(-1)
        np.add(line[:-1], line[1:], out=pair[:-1])
        np.add(pair[:-2], pair[1:-1], out=sums[:-2])
        np.multiply(sums[:-2], np.float32(1.0 / 16.0), out=line[:-2])
        np.copyto(levels[done:ready], rows[:, :width], casting="unsafe")
        done = ready
    return depth, smooth, levels


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
    line, width = rows.reshape(-1), rows.shape[1]
    large = np.zeros(line.shape, dtype=np.bool_)
    difference = np.maximum(line[:-1], line[1:]) - np.minimum(line[:-1], line[1:])
    np.greater(difference, int(contrast * _DIFFERENCE / _CLEAREST), out=large[:-1])
    # What a row's last pixel and the next one's first differ by does not count.
    count = np.count_nonzero(large) - np.count_nonzero(large[width - 1 :: width])
    return 2 * count > line.size - len(rows)


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
    whole: GreyImage = reused("whole levels", depth.shape, np.uint8)
    np.copyto(whole, depth, casting="unsafe")
    # The threshold is a whole level: what is below it is so without its fraction.
    mask: Mask = reused("dark", depth.shape, np.bool_)
    np.greater_equal(whole, int(otsu(grey_histogram(whole))[0]), out=mask)
    area = np.count_nonzero(mask)
    down = np.count_nonzero(mask[1:] > mask[:-1]) + np.count_nonzero(mask[0])
    line, first, last = mask.reshape(-1), mask[:, 0], mask[:, -1]
    across = np.count_nonzero(line[1:] > line[:-1]) + np.count_nonzero(first)
    across -= np.count_nonzero(first[1:] > last[:-1])  # from a row's end to the next
    runs = max(1, down, across)
    width, length = max(1, area) / runs * shrunk, runs * shrunk
    flags: Floats = reused("flags", depth.shape, np.float32)
    np.copyto(flags, mask)
    dark = float(np.vdot(depth, flags)) / max(1, area)
    levels = 255 / 12 * np.log(length), 255 / 6 * (np.log(width) + 1.0), dark
    return to_bytes(np.array(levels, dtype=np.float32))


def to_bytes(values: Floats) -> GreyImage:
    """Round to whole levels, 0 to 255."""
    return (values + np.float32(0.5)).clip(0, 255).astype(np.uint8)
