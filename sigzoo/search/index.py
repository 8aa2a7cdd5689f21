"""`FeatureIndex`: an index that is open, and the nearest of its images to a questioned signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError, UsageError
from sigzoo.search.facts import IndexFacts, read_facts
from sigzoo.search.files import CENTROIDS, LISTS, ROWS, VECTORS, ArrayFile, Entries
from sigzoo.search.nearest import Metric, nearest_in_blocks
from sigzoo.verification.scores import make_score

__all__ = ["FeatureIndex", "Match", "matches_data", "open_index"]

_BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Match:
    """An image of the index."""

    row: int
    """Its place among the features that were indexed, from 0."""
    path: str
    similarity: float
    """Cosine, or minus the distance."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of the manifest."""


def matches_data(names: Sequence[str], found: Sequence[Sequence[Match]]) -> list[dict[str, Any]]:
    """What a search found for questioned signatures of some names, as plain data.

    Parameters
    ----------
    names
        Of the questioned signatures.
    found
        Of each what the search found, the nearest first.

    Returns
    -------
    list of dict
        One a questioned signature, ready for JSON.
    """
    return [
        {"questioned": name, "matches": [{"rank": n, **asdict(each)} for n, each in enumerate(row, 1)]}
        for name, row in zip(names, found, strict=True)
    ]


class FeatureIndex:
    """An index that is open; use it as a context manager, or `close` it. Threads may search together.

    Attributes
    ----------
    folder
        Where it is.
    facts
        What it says of itself.
    """

    def __init__(self, folder: Path, facts: IndexFacts) -> None:
        self.folder, self.facts = folder, facts
        self._entries = Entries(folder, facts.count, facts.entries_bytes)
        self._vectors = ArrayFile(folder / VECTORS, "<f4", (facts.count, facts.size))
        self._rows: ArrayFile | None = None
        if facts.kind == "ivf":
            self._rows = ArrayFile(folder / ROWS, "<i8", (facts.count,))
            self._lists = _read_all(ArrayFile(folder / LISTS, "<i8", (facts.lists + 1,)))
            self._centroids = _read_all(ArrayFile(folder / CENTROIDS, "<f4", (facts.lists, facts.size)))
            starts = self._lists
            if starts[0] != 0 or starts[-1] != facts.count or (np.diff(starts) < 0).any():
                raise DataError(f"{safe_text(folder / LISTS)}: lists that cannot be; the index is damaged.")
            if not np.isfinite(self._centroids).all():
                raise DataError(f"{safe_text(folder / CENTROIDS)}: holds numbers that are not finite.")

    def __len__(self) -> int:
        return self.facts.count

    def __enter__(self) -> FeatureIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its files."""
        for each in (self._entries, self._vectors, self._rows):
            if each is not None:
                each.close()

    def recall(self, probes: int | None = None) -> float | None:
        """The recall that was measured with so many lists, or the next smaller number; `None` if unknown.

        1 where all is compared.

        Parameters
        ----------
        probes
            How many lists are looked into; as many as the index does by default without it.

        Returns
        -------
        float or None
            The share of the truly nearest that are found, from 0 to 1.
        """
        facts = self.facts
        probes = facts.probes if probes is None else probes
        if facts.kind == "exact" or probes >= facts.lists:
            return 1.0
        known = [each.recall for each in facts.recall if each.probes <= probes]
        return max(known, default=None)

    def search(self, features: ArrayLike, k: int = 10, *, probes: int | None = None) -> list[list[Match]]:
        """The nearest images to some signatures.

        Parameters
        ----------
        features
            float ``(Q, D)``, of the model and layer that the index is of.
        k
            How many; fewer come only where the index has fewer.
        probes
            Lists to look into, by default as many as gave the recall that was asked for when the index was
            built; with all of them the result is exact. Of no meaning for an exact index.

        Returns
        -------
        list
            For each signature its matches, the nearest first; ties in the order of the images.

        Raises
        ------
        UsageError
            If `k` or `probes` is below 1.
        DataError
            If features have another size or are not finite, or the index is damaged.
        """
        if k < 1 or (probes is not None and probes < 1):
            raise UsageError(f"At least 1 neighbour and 1 list are looked for; got k={k}, probes={probes}.")
        asked = prepared(np.asarray(features), self.facts.metric, self.facts.part_weights)
        if asked.shape[1] != self.facts.size:
            raise DataError(
                f"features of {asked.shape[1]} numbers cannot be sought among those of {self.facts.size} in"
                f" {safe_text(self.folder)}."
            )
        count = min(k, self.facts.count)
        if self.facts.kind == "exact":
            return self._matches(*nearest_in_blocks(asked, self._all(), count, self.facts.metric))
        lists = min(probes or self.facts.probes, self.facts.lists)
        found: list[list[Match]] = []
        for each in asked:
            near = nearest_in_blocks(each[np.newaxis], self._near(each, lists), count, self.facts.metric)
            found += self._matches(*near)
        return found

    def numbers(self, asked: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Numbers of the images that are truly nearest to prepared vectors, int64 ``(Q, k)``.

        Parameters
        ----------
        asked
            float32 ``(Q, D)``, prepared as the index's vectors are.
        k
            How many are wanted for each.

        Returns
        -------
        array
            int64 ``(Q, k)``, the nearest first.
        """
        return nearest_in_blocks(asked, self._all(), k, self.facts.metric)[0]

    def probes_needed(
        self, asked: NDArray[np.float32], images: Sequence[NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """How many lists must be looked into until each image is met: one number an image, int64.

        Parameters
        ----------
        asked
            float32 ``(Q, D)``, prepared.
        images
            For each of them numbers of some images.

        Returns
        -------
        array
            int64, of the shape of `images`.
        """
        wanted = np.unique(np.concatenate(images))
        if not len(wanted):
            return np.empty(0, np.int64)
        places = np.empty(len(wanted), np.int64)
        step = 1 << 20
        for start in range(0, self.facts.count, step):
            numbers = self._numbers(start, min(start + step, self.facts.count))
            at = np.searchsorted(wanted, numbers).clip(max=len(wanted) - 1)
            here = np.flatnonzero(wanted[at] == numbers)
            places[at[here]] = start + here
        lists = np.searchsorted(self._lists, places, side="right") - 1
        found = []
        for one, own in zip(asked, images, strict=True):
            rank = np.empty(self.facts.lists, np.int64)
            rank[self._order(one)] = np.arange(self.facts.lists)
            found.append(1 + rank[lists[np.searchsorted(wanted, own)]])
        return np.concatenate(found)

    def vectors(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and vectors at some places of the file.

        Parameters
        ----------
        places
            int64 ``(n,)``, in the order of the file.

        Returns
        -------
        numbers, vectors
            int64 ``(n,)`` and float32 ``(n, D)``.
        """
        rows = np.concatenate([self._vectors.rows(int(place), int(place) + 1) for place in places])
        numbers = np.concatenate([self._numbers(int(place), int(place) + 1) for place in places])
        return numbers, rows

    def _numbers(self, start: int, stop: int) -> NDArray[np.int64]:
        if self._rows is None:
            return np.arange(start, stop, dtype=np.int64)
        numbers: NDArray[np.int64] = self._rows.rows(start, stop)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < self.facts.count:
            raise DataError(f"{safe_text(self.folder / ROWS)}: images that are not there; it is damaged.")
        return numbers

    def _all(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        return self._between(0, self.facts.count)

    def _near(
        self, asked: NDArray[np.float32], lists: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Blocks of the lists whose centroids are nearest, small lists together."""
        held: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        size = 0
        for which in self._order(asked)[:lists]:
            for numbers, rows in self._between(int(self._lists[which]), int(self._lists[which + 1])):
                held.append((numbers, rows))
                size += rows.nbytes
                if size >= _BLOCK_BYTES:
                    yield _together(held)
                    held, size = [], 0
        if held:
            yield _together(held)

    def _order(self, asked: NDArray[np.float32]) -> NDArray[np.int64]:
        """The lists, that with the nearest centroid first."""
        return np.argsort(((self._centroids - asked) ** 2).sum(axis=1), kind="stable")

    def _between(self, start: int, stop: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        step = max(1, _BLOCK_BYTES // (4 * self.facts.size))
        for begin in range(start, stop, step):
            end = min(begin + step, stop)
            rows: NDArray[np.float32] = self._vectors.rows(begin, end)
            if not np.isfinite(rows).all():
                raise DataError(f"{safe_text(self.folder / VECTORS)}: holds numbers that are not finite.")
            yield self._numbers(begin, end), rows

    def _matches(self, numbers: NDArray[np.int64], similarities: NDArray[np.float64]) -> list[list[Match]]:
        return [
            [self._match(int(row), float(value)) for row, value in zip(*pair, strict=True) if row >= 0]
            for pair in zip(numbers, similarities, strict=True)
        ]

    def _match(self, row: int, similarity: float) -> Match:
        entry = self._entries[row]
        return Match(row, entry.pop("path"), similarity, entry)


def _together(
    blocks: list[tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return np.concatenate([each for each, _ in blocks]), np.concatenate([each for _, each in blocks])


def open_index(folder: Path) -> FeatureIndex:
    """Open an index that `build_index` made; of its vectors nothing is read yet.

    Parameters
    ----------
    folder
        Of the index.

    Returns
    -------
    FeatureIndex
        To be closed, or used in a ``with`` block.

    Raises
    ------
    DataError
        If it is no index, or its files are not those that it says; names what is wrong.
    """
    return FeatureIndex(folder, read_facts(folder))


def prepared(
    features: NDArray[Any], metric: Metric, part_weights: list[tuple[int, float]]
) -> NDArray[np.float32]:
    """Features as they are compared: weighted as the model's score weighs them, for cosines of length 1.

    Raises
    ------
    DataError
        If they are no finite numbers ``(N, D)``, or for cosines a row is zero.
    """
    score = make_score("mean" if metric == "cosine" else "euclidean", part_weights=part_weights)
    return score.prepare(features).rows.astype(np.float32)


def _read_all(file: ArrayFile) -> NDArray[Any]:
    try:
        return file.rows(0, len(file))
    finally:
        file.close()
