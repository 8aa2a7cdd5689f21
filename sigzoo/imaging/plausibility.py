"""Whether an image looks like one cut-out signature on paper: measured conditions, for warnings only.

An image is judged on 200 cells along its longer side, inked where it is darker than the paper nearby. The
limits below were set on real and drawn signatures, of which they flag (at least one doubt):

====================================  ======  =======
images                                number  flagged
====================================  ======  =======
SigComp2009, scans                       120        0
crossmedia, writers for validation       600        1
BHSig260, writers for development      1,617        1
drawn, 200 in each of 7 renderings     1,400        3
====================================  ======  =======

Of 75 drawn signatures spoilt in each of these ways it flags: inverted, one line across, a frame at the edge
or inside, a dark edge, a page of print, print above, a second signature at a distance: all; ruled: all, paler
than ink 92 %; a stamp some way off: 89 %; 35, 50 or 70 mm wide on a dusty page of A4: 96, 92, 85 %.
A stamp upon the signature is not noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.imaging.histogram import grey_histogram

__all__ = ["Appearance", "appearance", "doubts"]

CELLS = 200
"""Cells along the longer side, on which shapes are judged."""

MAX_DARK = 0.6
"""Dark pixels above this share: bright writing on a dark ground. Real ones reach 0.30, drawn ones 0.52."""

MAX_BORDER = 0.15
"""Inked cells of the outermost ring. Real signatures reach 0.03."""

MAX_APART = 0.15
"""Ink away from the largest group. One real signature in 1,000 is beyond."""

MIN_BANDS = 3
"""Lines of writing that make a page. Real signatures have one, some two."""

MIN_INK = 0.012
"""Inked cells below this share: a page with a small signature. Real ones have 0.033 at least, drawn 0.018."""

_LONGEST, _LEAST = 1600, 32
_CELL_INK = 0.04
"""Share of a cell's pixels that makes it inked: a hair, and not a speck of dust."""
_TILE, _REACH = 5, (1, 2, 4)
"""Groups are as far apart as 7 tiles of 5 cells: a sixth of the longer side. It is reached in three steps."""
_THROUGH, _LONG = 0.95, 0.8
"""Share of a row of cells that makes it a line from edge to edge, or a frame's."""
_RIDGE, _RIDGE_DEPTH = 3, 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Appearance:
    """What is measured of an image.

    Attributes
    ----------
    dark
        Share of pixels on the dark side of Otsu's threshold.
    border
        Share of the outermost ring of cells that holds ink.
    lines, columns
        Straight lines from edge to edge, across and upright.
    pale_lines
        Lines across that are darker than the paper and paler than ink.
    framed
        Whether two long lines each way may be a frame.
    bands
        Lines of writing, with empty rows between.
    apart
        Share of the ink that lies far from the largest group.
    ink
        Share of cells that hold ink.
    """

    dark: float
    border: float
    lines: int
    columns: int
    pale_lines: int
    framed: bool
    bands: int
    apart: float
    ink: float


def doubts(image: NDArray[np.uint8]) -> list[str]:
    """What speaks against an image being one signature on paper, in words; empty where nothing does.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.
    """
    seen = appearance(image)
    if seen is None:
        return []
    found = []
    if seen.dark > MAX_DARK:
        found.append("more of it is dark than bright (white writing on black? pass 255 - image)")
    if seen.border > MAX_BORDER:
        found.append("ink along its border (a frame, or the edge of a scan?)")
    if seen.lines or seen.pale_lines > 1 or seen.columns > 1 or seen.framed:
        found.append("straight lines from edge to edge (ruled paper, a form, a frame?)")
    if seen.bands >= MIN_BANDS:
        found.append(f"{seen.bands} lines of writing (a page? cut out the signature)")
    if seen.apart > MAX_APART:
        found.append("ink in places far apart (a stamp, a second signature?)")
    if seen.ink < MIN_INK:
        found.append("next to no ink for its size (a whole page? cut out the signature)")
    return found


def _paper(brightest: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How bright the paper is around each cell, so that uneven light is no ink: the brightest nearby."""
    tile = max(1, CELLS // 20)
    height, width = (-(-side // tile) for side in brightest.shape)
    padded = np.zeros((height * tile, width * tile), np.uint8)
    padded[: brightest.shape[0], : brightest.shape[1]] = brightest
    tiles = padded.reshape(height, tile, width, tile).max(axis=(1, 3))
    full = np.repeat(np.repeat(tiles, tile, axis=0), tile, axis=1)
    return full[: brightest.shape[0], : brightest.shape[1]]


def ink_threshold(counts: NDArray[np.int64]) -> int:
    """Otsu's: the level up to which is ink, so that both sides are as much of one kind as can be.

    Of the histogram, ``(256,)``.
    """
    levels = np.arange(256)
    below, total = np.cumsum(counts), counts.sum()
    moment = np.cumsum(counts * levels)
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / total - moment) ** 2 / (below * above)
    return int(np.nanargmax(np.where((below > 0) & (above > 0), between, -1.0)))


def appearance(image: NDArray[np.uint8]) -> Appearance | None:
    """Measure an image; `None` where it has one grey level only, or is too small to have a shape.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.
    """
    step = max(1, max(image.shape) // _LONGEST)
    image = np.ascontiguousarray(image[::step, ::step])
    block = max(1, -(-max(image.shape) // CELLS))
    if min(image.shape) < max(_LEAST, 4 * block):
        return None
    counts = grey_histogram(image)
    if counts.max() == image.size:
        return None
    height, width = (side // block for side in image.shape)
    # Pixels by row of cells, row within it, and column.
    blocks = np.ascontiguousarray(image[: height * block, : width * block]).reshape(height, block, -1)
    # The paper becomes white, and what is brighter than it stays so; in uint8 nothing overflows.
    paper = np.repeat(_paper(_over_cells(blocks, np.maximum)), block, axis=1)[:, np.newaxis]
    flat = np.minimum(blocks, paper)
    flat += 255 - paper
    threshold = ink_threshold(grey_histogram(flat.reshape(height * block, -1)))
    cells = _over_cells((flat <= threshold).view(np.uint8), np.add) / block**2 > _CELL_INK
    return Appearance(
        dark=int(counts[: ink_threshold(counts) + 1].sum()) / image.size,
        border=float(np.concatenate([cells[0], cells[-1], cells[1:-1, 0], cells[1:-1, -1]]).mean()),
        lines=_lines(cells, _THROUGH),
        columns=_lines(cells.T, _THROUGH),
        pale_lines=_lines(_ridges(_over_cells(flat, np.add) / block**2), _THROUGH),
        framed=_lines(cells, _LONG) > 1 and _lines(cells.T, _LONG) > 1,
        bands=_bands(cells),
        apart=_apart(cells),
        ink=np.count_nonzero(cells) / cells.size,
    )


def _over_cells(pixels: NDArray[np.uint8], combine: np.ufunc) -> NDArray[Any]:
    """Combine the pixels of each cell: ``(rows of cells, side, W)`` in, a value a cell out.

    Down the columns first, in unbroken memory; then a plane of every `side`-th pixel at a time, as numpy
    reduces over short inner axes ten times as slowly.
    """
    block = pixels.shape[1]
    # Cells have 16 x 16 pixels at most, whose sum takes 16 bits.
    columns = combine.reduce(pixels, axis=1, dtype=np.uint8 if combine is np.maximum else np.uint16)
    cells: NDArray[Any] = columns[:, ::block].copy()
    for shift in range(1, block):
        combine(cells, columns[:, shift::block], out=cells)
    return cells


def _lines(cells: Mask, coverage: float) -> int:
    """Count straight lines across: runs of rows, a little askew allowed, that are inked nearly throughout."""
    thick = cells.copy()
    thick[1:] |= cells[:-1]
    across = thick.mean(axis=1) >= coverage
    return int(np.count_nonzero(across[1:] & ~across[:-1]) + across[0])


def _ridges(means: NDArray[np.floating]) -> Mask:
    """Cells that are darker than those `_RIDGE` rows above and below: lines too pale to pass for ink."""
    ridges = np.zeros(means.shape, bool)
    if len(means) <= 2 * _RIDGE:
        return ridges
    middle = slice(_RIDGE, -_RIDGE)
    ridges[middle] = np.minimum(means[: -2 * _RIDGE], means[2 * _RIDGE :]) - means[middle] > _RIDGE_DEPTH
    return ridges


def _bands(cells: Mask) -> int:
    """Count lines of writing: runs of rows with ink in several places, between rows with next to none."""
    share = cells.mean(axis=1)
    inked = share > 0.02
    starts = np.flatnonzero(np.diff(np.concatenate([[False], inked, [False]]).astype(np.int8)))
    return sum(
        1
        for top, bottom in starts.reshape(-1, 2)
        if bottom - top >= 2 and cells[top:bottom].any(axis=0).mean() > 0.25
    )


def _apart(cells: Mask) -> float:
    """The share of inked cells that no chain of steps, 7 tiles at most, joins to the largest group."""
    height, width = (-(-side // _TILE) for side in cells.shape)
    padded = np.zeros((height * _TILE, width * _TILE), np.int64)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    counts = padded.reshape(height, _TILE, width, _TILE).sum(axis=(1, 3))
    left, largest = counts > 0, 0
    while left.any():
        group = np.zeros(left.shape, bool)
        group.flat[int(np.argmax(left))] = True
        size = 0
        while (grown := int(np.count_nonzero(group))) > size:
            size = grown
            group = _within_reach(group) & left
        left &= ~group
        largest = max(largest, int(counts[group].sum()))
    return 1 - largest / float(counts.sum()) if largest else 0.0


def _within_reach(group: Mask) -> Mask:
    """Tiles that are 7 from the group at most, in each direction."""
    reached = group.copy()
    for step in _REACH:
        before = reached.copy()
        reached[step:] |= before[:-step]
        reached[:-step] |= before[step:]
        before = reached.copy()
        reached[:, step:] |= before[:, :-step]
        reached[:, :-step] |= before[:, step:]
    return reached
