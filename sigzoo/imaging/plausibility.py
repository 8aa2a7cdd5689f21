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

import numpy as np
from numpy.typing import NDArray

from sigzoo.imaging.histogram import grey_histogram, ink_threshold, separation
from sigzoo.imaging.memory import reused

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
_SOME_ROWS = 13
"""Every how manieth row tells of most images that they are not dark."""

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
        Share of cells that hold ink, or of dark pixels where that is more: a stroke that fills a tile
        is taken for paper.
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


def _flattened(image: NDArray[np.uint8], block: int) -> NDArray[np.uint8]:
    """Make the paper white, so that uneven light is no ink; in rows of cells: ``(rows, block, W)``.

    The paper is as bright as the brightest pixel of each tile; what is brighter stays white.
    """
    height, width = (side // block for side in image.shape)
    blocks = image[: height * block, : width * block].reshape(height, block, -1)
    tile = CELLS // 20
    tops, lefts = range(0, height, tile), range(0, width * block, tile * block)
    columns = np.stack([blocks[top : top + tile].max(axis=(0, 1)) for top in tops])
    tiles = np.maximum.reduceat(columns, lefts, axis=1)
    paper = tiles.repeat(tile, axis=0)[:height].repeat(tile * block, axis=1)[:, np.newaxis, : width * block]
    flat: NDArray[np.uint8] = reused("paper made white", blocks.shape, np.uint8)
    np.minimum(blocks, paper, out=flat)
    flat += ~paper  # in uint8 nothing overflows
    return flat


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
    if image.min() == image.max():
        return None
    flat = _flattened(image, block)
    pale_lines = _pale_lines(flat)
    threshold = ink_threshold(grey_histogram(flat.reshape(-1, flat.shape[2])))
    # In its place: fresh memory costs as much as the work on it.
    ink = np.less_equal(flat, threshold, out=flat.view(np.bool_))
    cells = _over_cells(ink) > int(_CELL_INK * block**2)
    across, upright = _coverage(cells), _coverage(cells.T)
    counts = grey_histogram(image[::_SOME_ROWS])
    return Appearance(
        dark=_dark(image, counts),
        border=_border(cells),
        lines=_runs(across >= _THROUGH),
        columns=_runs(upright >= _THROUGH),
        pale_lines=pale_lines,
        framed=_runs(across >= _LONG) > 1 and _runs(upright >= _LONG) > 1,
        bands=_bands(cells),
        apart=_apart(cells),
        ink=max(np.count_nonzero(cells) / cells.size, _near_black(counts)),
    )


def _near_black(counts: NDArray[np.int64]) -> float:
    """The share of pixels that are nearer to the darkest level than to the paper's, the ninth decile."""
    share = np.cumsum(counts) / counts.sum()
    darkest, paper = np.flatnonzero(counts)[0], np.searchsorted(share, 0.9)
    return float(share[(darkest + paper) // 2]) if darkest < paper else 0.0


def _dark(image: NDArray[np.uint8], counts: NDArray[np.int64]) -> float:
    """The share of pixels on the dark side of Otsu's threshold: of some rows where they leave no doubt."""
    apart, share = separation(counts), np.cumsum(counts) / counts.sum()
    # Nor may another level, which would call more of it dark, divide the pixels half as well.
    if 2 * apart[share > MAX_DARK / 2].max() > apart.max():
        counts = grey_histogram(image)
        apart, share = separation(counts), np.cumsum(counts) / image.size
    return float(share[np.argmax(apart)])


def _over_cells(pixels: NDArray[np.uint8] | Mask) -> NDArray[np.uint16]:
    """Sum the pixels of each cell: ``(rows of cells, side, W)`` in, a value a cell out.

    Down the columns first, in unbroken memory; then a plane of every `side`-th pixel at a time, as numpy
    reduces over short inner axes ten times as slowly.
    """
    block = pixels.shape[1]
    # Cells have 16 x 16 pixels at most, whose sum takes 16 bits, and the count of a column's side 8.
    counted = pixels.dtype == np.bool_
    columns = pixels.view(np.uint8).sum(axis=1, dtype=np.uint8 if counted else np.uint16)
    columns = columns.astype(np.uint16, copy=False)
    cells: NDArray[np.uint16] = columns[:, ::block].copy()
    for shift in range(1, block):
        cells += columns[:, shift::block]
    return cells


def _border(cells: Mask) -> float:
    """The share of inked cells in the outermost ring."""
    inked = sum(map(np.count_nonzero, (cells[0], cells[-1], cells[1:-1, 0], cells[1:-1, -1])))
    return float(inked / (2 * sum(cells.shape) - 4))


def _coverage(cells: Mask) -> NDArray[np.floating]:
    """The share of inked cells in each row, those of the row before counted: lines are a little askew."""
    thick = cells.copy()
    thick[1:] |= cells[:-1]
    share: NDArray[np.floating] = np.count_nonzero(thick, axis=1) / thick.shape[1]
    return share


def _runs(rows: Mask) -> int:
    """Count unbroken stretches of True."""
    return int(np.count_nonzero(rows[1:] > rows[:-1])) + int(rows[0])


def _pale_lines(flat: NDArray[np.uint8]) -> int:
    """Count lines across that are too pale to pass for ink, of rows of cells ``(rows, side, W)``.

    What a line may miss it misses at worst in the first quarter: where there is none, there is none at all.
    """
    block = flat.shape[1]
    width = flat.shape[2] // block
    quarter = max(1, width // 4)
    missed = (1 - _THROUGH) * width / quarter
    if not _runs(_coverage(_ridges(flat[:, :, : quarter * block])) >= 1 - missed - 1e-9):
        return 0
    return _runs(_coverage(_ridges(flat)) >= _THROUGH)


def _ridges(flat: NDArray[np.uint8]) -> Mask:
    """Cells that are darker than those `_RIDGE` rows above and below: lines too pale to pass for ink."""
    means = _over_cells(flat) / flat.shape[1] ** 2
    ridges = np.zeros(means.shape, bool)
    if len(means) <= 2 * _RIDGE:
        return ridges
    middle = slice(_RIDGE, -_RIDGE)
    ridges[middle] = np.minimum(means[: -2 * _RIDGE], means[2 * _RIDGE :]) - means[middle] > _RIDGE_DEPTH
    return ridges


def _bands(cells: Mask) -> int:
    """Count lines of writing: runs of rows with ink in several places, between rows with next to none."""
    inked = np.zeros(len(cells) + 2, np.bool_)
    np.greater(np.count_nonzero(cells, axis=1), 0.02 * cells.shape[1], out=inked[1:-1])
    ends = np.flatnonzero(inked[1:] != inked[:-1])
    return sum(
        bottom - top >= 2 and np.count_nonzero(cells[top:bottom].any(axis=0)) > 0.25 * cells.shape[1]
        for top, bottom in ends.reshape(-1, 2).tolist()
    )


def _apart(cells: Mask) -> float:
    """The share of inked cells that no chain of steps, 7 tiles at most, joins to the largest group."""
    height, width = (-(-side // _TILE) for side in cells.shape)
    padded = np.zeros((height * _TILE, width * _TILE), np.uint8)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    # One axis after the other: both at once take three times as long.
    rows = padded.reshape(height, _TILE, -1).sum(axis=1, dtype=np.uint8)
    counts = rows.reshape(height, width, _TILE).sum(axis=2, dtype=np.uint8)
    # A bit a tile, in one whole number; between the rows as many empty bits as a step may go too far.
    room = width + sum(_REACH)
    inked = np.zeros((height, room), np.bool_)
    inked[:, :width] = counts > 0
    packed = np.packbits(inked)
    left, largest = int.from_bytes(packed.tobytes(), "big"), 0
    while left:
        group, grown = 0, left & -left
        while grown != group:
            group, grown = grown, _within_reach(grown, room) & left
        left ^= group
        bits = np.unpackbits(np.frombuffer(group.to_bytes(packed.size, "big"), np.uint8), count=inked.size)
        largest = max(largest, int(counts[bits.reshape(inked.shape)[:, :width] > 0].sum()))
    return 1 - largest / float(counts.sum()) if largest else 0.0


def _within_reach(group: int, room: int) -> int:
    """Tiles that are 7 from the group at most, in each direction; rows of `room` bits."""
    for step in _REACH:
        group |= group << step | group >> step
        group |= group << step * room | group >> step * room
    return group
