"""Drawing references and questioned signatures, and gathering what was scored into `Trials`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError, UsageError
from sigzoo.interfaces.protocols import GENUINE, KINDS, Signatures, Trials

__all__ = ["KnownArrays", "TrialsBuilder", "check_at_least_one", "checked"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class KnownArrays:
    """`Signatures` as arrays."""

    identity: NDArray[np.str_]
    writer: NDArray[np.int64]
    """Numbers, in the order of the writers' names."""
    forged: NDArray[np.bool_]
    writers: tuple[str, ...]
    text: NDArray[np.str_] | None = None
    medium: NDArray[np.str_] | None = None

    @classmethod
    def of(cls, known: Signatures) -> KnownArrays:
        """Make arrays of what is known."""
        writers, writer = np.unique(np.asarray(known.writer, str), return_inverse=True)
        return cls(
            np.asarray(known.identity, str),
            writer.astype(np.int64),
            np.asarray(known.forged, bool),
            tuple(str(each) for each in writers),
            None if known.text is None else np.asarray(known.text, str),
            None if known.medium is None else np.asarray(known.medium, str),
        )

    @property
    def identities(self) -> list[str]:
        """All of them, in order."""
        return [str(each) for each in np.unique(self.identity)]

    def genuine_of(self, identity: str) -> Rows:
        """Rows of an identity's genuine signatures."""
        return np.flatnonzero((self.identity == identity) & ~self.forged)

    def forged_of(self, identity: str) -> Rows:
        """Rows of its skilled forgeries."""
        return np.flatnonzero((self.identity == identity) & self.forged)

    def impostors_of(self, identity: str, questioned: Rows, among: Rows | None = None) -> dict[str, Rows]:
        """Other writers' genuine signatures, by kind of impostor: of the same text apart, of the same media.

        Parameters
        ----------
        identity
            Who is claimed.
        questioned
            Rows of the genuine signatures that are tested, at least one.
        among
            Rows that the impostors are chosen from, in this order; all by default.
        """
        rows = np.arange(len(self.forged)) if among is None else among
        own = questioned[0]
        chosen = ~self.forged[rows] & (self.writer[rows] != self.writer[own])
        if self.medium is not None:
            chosen &= np.isin(self.medium[rows], self.medium[questioned])
        if self.text is None:
            kinds = {"random": chosen}
        else:
            same = self.text[rows] == self.text[own]
            kinds = {"random": chosen & ~same, "same_text": chosen & same}
        return {kind: rows[each] for kind, each in kinds.items() if each.any()}

    def too_few(self, needed: int) -> dict[str, int]:
        """Identities with fewer than `needed` genuine signatures, and how many they have."""
        found = {name: len(self.genuine_of(name)) for name in self.identities}
        return {name: count for name, count in found.items() if count < needed}


def check_at_least_one(**numbers: int) -> None:
    """Raise `UsageError` for an option that must be a whole number of at least 1."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(f"{name} must be a whole number of at least 1, got {number!r}.")


def checked(features: ArrayLike, known: Signatures) -> tuple[NDArray[np.float64], KnownArrays]:
    """Features as float64 ``(N, D)``, and what is known of them.

    Raises
    ------
    DataError
        If there are not as many features as signatures, none, or some that are not finite.
    """
    array = np.asarray(features)
    if len(array) != len(known.identity):
        raise DataError(f"{len(array)} features for {len(known.identity)} signatures.")
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise DataError(
            f"features must be an array of numbers (N, D), got shape {array.shape} of {array.dtype}."
        )
    array = array.astype(np.float64)
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise DataError(
            f"{int((~finite).sum())} of {len(array)} signatures have features that are not finite (NaN or"
            f" infinite), the first in row {row}, of {known.identity[row]}."
        )
    return array, KnownArrays.of(known)


@dataclass
class TrialsBuilder:
    """Collects the comparisons of one draw, identity by identity."""

    threshold: float | None = None
    identities: list[str] = field(default_factory=list)
    references: list[Rows] = field(default_factory=list)
    _parts: list[tuple[NDArray[np.float64], Rows, Rows, NDArray[np.int8]]] = field(default_factory=list)

    def open(self, identity: str, references: Rows) -> None:
        """Begin an identity, whose comparisons follow."""
        self.identities.append(identity)
        self.references.append(np.asarray(references, np.int64))

    def add(self, kind: str, questioned: Rows, scores: ArrayLike) -> None:
        """Add comparisons with the references of the identity that was begun last."""
        rows = np.asarray(questioned, np.int64)
        self._parts.append(
            (
                np.asarray(scores, np.float64),
                rows,
                np.full(len(rows), len(self.identities) - 1, np.int64),
                np.full(len(rows), KINDS.index(kind), np.int8),
            )
        )

    def add_all(self, kinds: Mapping[str, Rows], scores: NDArray[np.float64]) -> None:
        """Add the comparisons of several kinds: scores of all their rows, one kind after the other."""
        ends = np.cumsum([len(rows) for rows in kinds.values()])[:-1]
        for (kind, rows), part in zip(kinds.items(), np.split(scores, ends), strict=True):
            self.add(kind, rows, part)

    def build(self) -> Trials | None:
        """All of them; `None` where genuine signatures or impostors are missing."""
        columns: Sequence[Sequence[NDArray[np.generic]]] = list(zip(*self._parts, strict=True))
        if not columns:
            return None
        scores, questioned, claimed, kinds = (np.concatenate(column) for column in columns)
        genuine = kinds == KINDS.index(GENUINE)
        if genuine.all() or not genuine.any():
            return None
        return Trials(
            scores, questioned, claimed, kinds, tuple(self.identities), tuple(self.references), self.threshold
        )
