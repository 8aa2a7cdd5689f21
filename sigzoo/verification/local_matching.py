"""Local descriptors of two signatures, each matched with the most similar one near the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError

__all__ = ["LocalDescriptors", "LocalMatching", "as_matching"]

Floats = NDArray[np.float64]

_TOGETHER = 64
"""Questioned signatures that are compared at once: their similarities fit into a processor's cache."""
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
    reach: tuple[int, int] = (1, 3)
    weight: float = 2.0
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
        return width == self.first + int(np.prod(self.size))

    def split(self, rows: Floats) -> tuple[Floats, LocalDescriptors]:
        """Features ``(N, D)`` as those before the descriptors, and the descriptors."""
        cells = rows[:, self.first :].astype(np.float32).reshape(len(rows), *self.size)
        squares = np.einsum("ndyx,ndyx->nyx", cells, cells)
        lengths = np.sqrt(squares)[:, None]
        directions = cells / np.where(lengths > 0, lengths, 1.0)
        total = squares.sum(axis=(1, 2), keepdims=True)
        shares = squares / np.where(total > 0, total, 1.0)
        return rows[:, : self.first], LocalDescriptors(
            np.ascontiguousarray(directions.transpose(0, 2, 3, 1)), shares, self
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

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, places: NDArray[np.int64] | slice) -> LocalDescriptors:
        """Some of the signatures."""
        return LocalDescriptors(self.directions[places], self.shares[places], self.matching)

    def similarity(self, others: LocalDescriptors) -> Floats:
        """Local similarity of each of these signatures to each of `others`, ``(N, M)``; 1 to themselves."""
        found = np.empty((len(self), len(others)))
        for start in range(0, len(others), _TOGETHER):
            part = others[start : start + _TOGETHER]
            near = _rows_within(part.directions, self.matching.reach[0])
            for row, (directions, shares) in enumerate(zip(self.directions, self.shares, strict=True)):
                table = self._table(directions, near)
                here = np.einsum("nyx,yx->n", table.max(axis=3), shares)
                there = np.einsum("nyx,nyx->n", self._best_of_others(table), part.shares)
                found[row, start : start + len(part)] = 0.5 * (here + there)
        return found

    def _table(self, directions: NDArray[np.float32], near: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines of each cell ``(y, x)`` and the cells of others that it may match, ``(n, y, x, cells)``."""
        rows, columns = directions.shape[:2]
        table: NDArray[np.float32] = np.matmul(directions[None], near.transpose(0, 1, 3, 2))
        return table + _bias(rows, columns, self.matching.reach)

    def _best_of_others(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """From that table the largest cosine of each cell of the others, ``(n, rows, columns)``."""
        reach, columns = self.matching.reach[0], table.shape[2]
        # Row y of the table knows the others' rows y - reach to y + reach.
        known = table.max(axis=2).reshape(*table.shape[:2], 2 * reach + 1, columns)
        best = np.full((len(table), table.shape[1], columns), _OUTSIDE, np.float32)
        for place in range(2 * reach + 1):
            off = place - reach
            to = slice(max(off, 0), table.shape[1] + min(off, 0))
            of = slice(max(-off, 0), table.shape[1] + min(-off, 0))
            np.maximum(best[:, to], known[:, of, place], out=best[:, to])
        return best


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


def _rows_within(directions: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Beside each row of cells those at most `reach` rows away: ``(n, rows, cells, descriptors)``."""
    padded = np.pad(directions, ((0, 0), (reach, reach), (0, 0), (0, 0)))
    rows = directions.shape[1]
    return np.concatenate([padded[:, place : place + rows] for place in range(2 * reach + 1)], axis=2)


def _bias(rows: int, columns: int, reach: Sequence[int]) -> NDArray[np.float32]:
    """0 where two cells may match, and so little where they may not that no other cell is passed over."""
    down, across = reach
    y = np.arange(rows)[:, None] + np.arange(-down, down + 1)
    inside = (y >= 0) & (y < rows)
    x = np.arange(columns)
    near = np.abs(x[:, None] - x) <= across
    allowed = inside[:, None, :, None] & near[None, :, None, :]
    return np.where(allowed, np.float32(0.0), _OUTSIDE).reshape(rows, columns, -1)
