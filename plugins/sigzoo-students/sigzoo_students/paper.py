"""How bright the paper is at every pixel, from bright pixels around it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sigzoo.imaging import reused
from sigzoo.interfaces import GreyImage
from sigzoo_students.framing import framed

__all__ = ["Paper"]

Floats = NDArray[np.float32]

_BLOCKS = 24
"""Blocks along the longest side."""
_SMALLEST, _LARGEST = 8, 45
"""Sides of a block; from 256 on the counts of `_bright_levels` would overflow."""
_BRIGHT = 0.8
"""Share of a block's pixels that are darker than what is taken for its paper."""


class Paper:
    """The brightness of an image's paper, computed for a few rows at a time.

    Of each block a bright level is taken, of a block and its eight neighbours the brightest, so that
    no stroke counts as paper; what lies between the blocks' centres is interpolated linearly.

    Parameters
    ----------
    grey
        uint8 ``(H, W)``.
    frame
        Pixels around the image for which the brightness is wanted, too; there the outermost holds.
    """

    def __init__(self, grey: GreyImage, frame: int) -> None:
        block = min(max(_SMALLEST, -(-max(grey.shape) // _BLOCKS)), _LARGEST)
        bright = _mean_around(_brightest_around(_bright_levels(grey, block)))
        column, share = _between(grey.shape[1], bright.shape[1], block, frame)
        self._row, down = _between(grey.shape[0], bright.shape[0], block, frame)
        # In float64, rounded to float32 after each axis, as Pillow interpolates: the difference would decide
        # on which side of a whole level the depth of the ink falls.
        bright = np.concatenate([bright, bright[:, -1:]], axis=1).astype(np.float64)
        lines, following = bright.take(column, axis=1), bright.take(column + 1, axis=1)
        lines *= 1 - share
        following *= share
        lines += following
        self._lines = np.concatenate([lines, lines[-1:]]).astype(np.float32).astype(np.float64)
        self._weights = np.zeros((len(down), len(self._lines)))
        places = np.arange(len(down))
        self._weights[places, self._row], self._weights[places, self._row + 1] = 1 - down, down

    def rows(self, top: int, bottom: int, out: Floats) -> None:
        """Fill `out` with the brightness in some rows, counted from the frame's first on."""
        first, last = self._row[top], self._row[bottom - 1] + 2
        # Of few lines: so small a product starts no threads of BLAS.
        out[...] = self._weights[top:bottom, first:last] @ self._lines[first:last]


def _bright_levels(grey: GreyImage, block: int) -> GreyImage:
    """Level of the pixel at the place `_BRIGHT` of each block's order, uint8 ``(rows, columns)``.

    Found bit by bit from the highest on: a bit is set where no more pixels than the place's number are
    below the level with it. That takes eight comparisons of all pixels and neither a sort nor a histogram of
    each block.
    """
    rows, columns = (-(-side // block) for side in grey.shape)
    padded: GreyImage = reused("blocks", (rows * block, columns * block), np.uint8)
    padded[: grey.shape[0], : grey.shape[1]] = grey
    padded[: grey.shape[0], grey.shape[1] :] = grey[:, -1:]
    padded[grey.shape[0] :] = padded[grey.shape[0] - 1]
    stacks = padded.reshape(rows, block, columns * block)
    most = int(_BRIGHT * block * block)
    levels = np.full((rows, columns), 255, dtype=np.uint8)
    # Paper of a clean image is white all over: one look at all pixels then does.
    maybe = 2 * np.count_nonzero(grey[len(grey) // 2] == 255) > grey.shape[1]
    if maybe and (_darker(stacks, levels) <= most).all():
        return levels
    levels[...] = 0
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        with_bit = levels | np.uint8(bit)
        np.copyto(levels, with_bit, where=_darker(stacks, with_bit) <= most)
    return levels


def _darker(stacks: GreyImage, levels: GreyImage) -> NDArray[np.uint16]:
    """How many pixels of each block are darker than its level; of rows of blocks ``(rows, side, W)``."""
    rows, block = stacks.shape[:2]
    below: NDArray[np.bool_] = reused("below", stacks.shape, np.bool_)
    np.less(stacks, levels.repeat(block, axis=1)[:, np.newaxis], out=below)
    # Down the columns first, where a block's side of flags is a sum of 8 bits.
    counts = np.add.reduce(below.view(np.uint8), axis=1, dtype=np.uint8)
    darker: NDArray[np.uint16] = np.add.reduce(counts.reshape(rows, -1, block), axis=2, dtype=np.uint16)
    return darker


def _brightest_around(levels: GreyImage) -> GreyImage:
    """The brightest of the nine levels around each place; edges repeat."""
    p = framed(levels)
    rows = np.maximum(np.maximum(p[:-2], p[1:-1]), p[2:])
    brightest: GreyImage = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return brightest


def _mean_around(levels: GreyImage) -> Floats:
    """The mean of the nine levels around each place; edges repeat."""
    p = framed(levels.astype(np.float32))
    rows = p[:-2] + p[1:-1] + p[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9.0)


@lru_cache(maxsize=64)  # the longer side of most images has as many pixels and blocks
def _between(side: int, blocks: int, block: int, frame: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Between which block's centre and the next each pixel lies, and how far from the first, 0 to 1."""
    pixels = np.arange(-frame, side + frame).clip(0, side - 1)
    places = ((pixels + 0.5) / block - 0.5).clip(0, blocks - 1)
    before = places.astype(np.intp)
    share = places - before
    for each in (before, share):
        each.setflags(write=False)
    return before, share
