"""Local descriptors of two signatures, each matched with the most similar one near the same place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError

__all__ = ["LocalDescriptors", "LocalMatching", "as_matching"]

Floats = NDArray[np.float64]

_TOGETHER = 32
"""Questioned signatures that are compared at once: their similarities fit into a processor's cache."""
_COLUMNS = 8
"""Columns of a reference's cells in one product: few, so that most of the cosines are within reach."""
_REMEMBERED = 4096
"""Most signatures of a set whose similarities to one another are kept, 64 MiB; of eight sets at most."""
_OUTSIDE = np.float32(-4.0)
"""Similarity of cells that are too far apart: below any cosine."""


class LocalMatching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where features hold local descriptors, and how their similarity adds to that of the rest.

    The columns from `first` on are a map ``(descriptors, rows, columns)``, laid out as a vector: a cell holds
    a descriptor, whose squared length is the cell's share of the signature. A cell's similarity to another
    signature is the largest cosine of its descriptor and those at most `reach` rows and columns away there;
    that of two signatures is the mean over the cells of either, by their shares, and the mean of both.

    Parameters
    ----------
    first
        The first of the columns; those before are compared by their cosine.
    size
        Descriptors' length, rows and columns.
    reach
        How many rows and columns a stroke may have moved.
    weight
        Of the local similarity m beside the cosine c: ``c + weight * (m - typical)``.
    typical
        What a writer's signatures come to in the mean; it keeps scores where those of the cosine alone are,
        and decides nothing where all have equally many references.

    Notes
    -----
    After the image distortion model of D. Keysers, T. Deselaers, C. Gollan, H. Ney, *Deformation Models for
    Image Recognition*, IEEE Transactions on Pattern Analysis and Machine Intelligence 29, 2007: each cell is
    matched by itself, with the best within reach. Here that is by cosines in place of distances, cells weigh
    by their shares, and both signatures' cells are matched.
    """

    first: int
    size: tuple[int, int, int]
    reach: tuple[int, int] = (2, 4)
    weight: float = 1.5
    typical: float = 0.75

    def __post_init__(self) -> None:
        if self.first < 1 or min(self.size) < 1 or min(self.reach) < 0:
            raise UsageError(
                f"local: first and size must be at least 1 and reach at least 0, got {self.first},"
                f" {self.size} and {self.reach}."
            )
        if not (np.isfinite(self.weight) and self.weight >= 0 and np.isfinite(self.typical)):
            raise UsageError(
                f"local: weight must be at least 0 and typical a number, got {self.weight}, {self.typical}."
            )

    def fits(self, width: int) -> bool:
        """Whether features of this many columns hold the descriptors."""
        return width == self.first + math.prod(self.size)

    def split(self, rows: Floats) -> tuple[Floats, LocalDescriptors]:
        """Features ``(N, D)`` as those before the descriptors, and the descriptors."""
        cells = rows[:, self.first :].astype(np.float32).reshape(len(rows), *self.size)
        squares = np.einsum("ndyx,ndyx->nyx", cells, cells)
        lengths = np.sqrt(squares)[:, None]
        directions = cells / np.where(lengths > 0, lengths, 1.0)
        total = squares.sum(axis=(1, 2), keepdims=True)
        shares = squares / np.where(total > 0, total, 1.0)
        known = _known(cells, self.reach) if len(rows) <= _REMEMBERED else None
        return rows[:, : self.first], LocalDescriptors(
            np.ascontiguousarray(directions.transpose(0, 2, 3, 1)), shares, self, np.arange(len(rows)), known
        )

    def added(self, similarity: Floats) -> Floats:
        """What a local similarity adds to the cosine."""
        return self.weight * (similarity - self.typical)


@dataclass(frozen=True)
class LocalDescriptors:
    """Local descriptors of N signatures."""

    directions: NDArray[np.float32]
    """``(N, rows, columns, descriptors)``: of length 1, or 0 where a cell has no share."""
    shares: NDArray[np.float32]
    """``(N, rows, columns)``: of each cell; 1 together."""
    matching: LocalMatching
    numbers: NDArray[np.int64]
    """``(N,)``: which they are of those that were split together."""
    known: _Known | None = None
    """What these have come to so far."""

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, places: NDArray[np.int64] | slice) -> LocalDescriptors:
        """Some of the signatures."""
        directions, shares, numbers = self.directions[places], self.shares[places], self.numbers[places]
        return LocalDescriptors(directions, shares, self.matching, numbers, self.known)

    def similarity(self, others: LocalDescriptors) -> Floats:
        """Local similarity of each of these signatures to each of `others`, ``(N, M)``; 1 to themselves.

        Whoever splits the features of a set once, and compares parts of it time and again, has each pair
        computed once.
        """
        if self.known is None or self.known is not others.known:
            return self._matched(others)
        table, mine, theirs = self.known.table, self.numbers, others.numbers
        missing = np.isnan(table[np.ix_(mine, theirs)])
        # Rows of which the same is missing are computed together, and nothing that is known already.
        patterns, group = np.unique(missing, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            rows, columns = np.flatnonzero(group.ravel() == number), np.flatnonzero(pattern)
            if len(columns):
                found = self[rows]._matched(others[columns])
                table[np.ix_(mine[rows], theirs[columns])] = found
                table[np.ix_(theirs[columns], mine[rows])] = found.T
        return table[np.ix_(mine, theirs)].astype(np.float64)

    def _matched(self, others: LocalDescriptors) -> Floats:
        (down, across), (_, rows, columns) = self.matching.reach, self.shares.shape
        reach = min(down, rows - 1), min(across, columns - 1)
        found = np.empty((len(self), len(others)))
        for start in range(0, len(others), _TOGETHER):
            part = others[start : start + _TOGETHER]
            blocks = list(_blocks(part.directions, reach))
            for row, (directions, shares) in enumerate(zip(self.directions, self.shares, strict=True)):
                here, there = _best(directions, blocks, reach)
                found[row, start : start + len(part)] = 0.5 * (
                    np.einsum("nyx,yx->n", here, shares) + np.einsum("nyx,nyx->n", there, part.shares)
                )
        return found


class _Known:
    """Similarities of the signatures of a set to one another, as far as they have been asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """``(N, N)``, NaN where it is not known yet."""
        return np.full((self._count, self._count), np.nan, np.float32)


def _known(cells: NDArray[np.float32], reach: tuple[int, int]) -> _Known:
    """What is known of a set's descriptors: several protocols, and references, ask for the same."""
    return _kept(hashlib.sha256(cells.data).digest(), cells.shape, reach)


@lru_cache(maxsize=8)
def _kept(digest: bytes, shape: tuple[int, ...], reach: tuple[int, int]) -> _Known:
    return _Known(shape[0])


def as_matching(value: LocalMatching | Mapping[str, Any] | None) -> LocalMatching | None:
    """A matching, or its fields as a card or a calibration has them.

    Raises
    ------
    UsageError
        If a field is missing, unknown, or of another kind.
    """
    if value is None or isinstance(value, LocalMatching):
        return value
    try:
        return msgspec.convert(value, LocalMatching, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"local: {error}, in {value!r:.200}.") from error


@dataclass(frozen=True)
class _Block:
    """Some columns of cells, and the cells of other signatures that they may match."""

    columns: slice
    near: NDArray[np.float32]
    """``(n, rows, descriptors, (2 * down + 1) * width)``."""
    bias: NDArray[np.float32]
    """``(rows, columns, (2 * down + 1) * width)``: 0 where two cells may match, else below any cosine."""


def _blocks(directions: NDArray[np.float32], reach: tuple[int, int]) -> Iterator[_Block]:
    """The questioned signatures' cells, laid out so that one product compares those within reach."""
    (down, across), (_, rows, columns, _) = reach, directions.shape
    padded = np.pad(directions, ((0, 0), (down, down), (across, across), (0, 0)))
    y = np.arange(rows)[:, None] + np.arange(-down, down + 1)
    inside = ((y >= 0) & (y < rows))[:, None, :, None]
    for first in range(0, columns, _COLUMNS):
        own = np.arange(first, min(first + _COLUMNS, columns))
        x = np.arange(first - across, own[-1] + 1 + across)
        near_columns = (np.abs(own[:, None] - x) <= across) & (x >= 0) & (x < columns)
        allowed = inside & near_columns[None, :, None, :]
        bias = np.where(allowed, np.float32(0.0), _OUTSIDE).reshape(rows, len(own), -1)
        cut = padded[:, :, first : first + len(x)]
        near = np.concatenate([cut[:, place : place + rows] for place in range(2 * down + 1)], axis=2)
        yield _Block(slice(first, first + len(own)), np.ascontiguousarray(near.transpose(0, 1, 3, 2)), bias)


def _best(
    directions: NDArray[np.float32], blocks: Sequence[_Block], reach: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The largest cosine of each cell of a reference and of n others, each ``(n, rows, columns)``."""
    (down, across), (rows, columns, _), count = reach, directions.shape, len(blocks[0].near)
    here = np.empty((count, rows, columns), np.float32)
    there = np.full((count, rows + 2 * down, columns + 2 * across), _OUTSIDE, np.float32)
    for block in blocks:
        table = np.matmul(directions[None, :, block.columns], block.near)
        table += block.bias
        here[:, :, block.columns] = table.max(axis=3)
        # Row y knows the others' rows y - down to y + down, which are y to y + 2 * down with their margin.
        known = table.max(axis=2).reshape(count, rows, 2 * down + 1, -1)
        first = block.columns.start
        for place in range(2 * down + 1):
            best = there[:, place : place + rows, first : first + known.shape[3]]
            np.maximum(best, known[:, :, place], out=best)
    return here, there[:, down : down + rows, across : across + columns]
