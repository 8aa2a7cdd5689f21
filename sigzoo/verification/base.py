"""What a score is: a number for a questioned signature, given references of one writer."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.feature_arrays import check_same_size, checked_features, unit_rows
from sigzoo.errors import DataError, UsageError
from sigzoo.verification.local_matching import LocalDescriptors, LocalMatching, as_matching

__all__ = ["Prepared", "Score", "check_comparable"]

Floats = NDArray[np.float64]

_ONE_LOCAL = (
    "{} are of different size: only one of both holds local descriptors. Take those of the same model and "
    "layer."
)


@dataclass(frozen=True)
class Prepared:
    """Features as a score wants them, with what depends on a single signature computed once."""

    rows: Floats
    """``(N, D)``: of length 1 where a score compares by cosines."""
    cohort: Floats | None = None
    """``(N, C)``: similarity to each signature of the cohort."""
    moments: Floats | None = None
    """``(N, 2)``: mean and deviation of that, over those of the cohort that count."""
    local: LocalDescriptors | None = None
    """Local descriptors, where the features hold such and the score knows of it."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: NDArray[np.int64] | slice) -> Prepared:
        """Some of the signatures."""
        cohort = None if self.cohort is None else self.cohort[places]
        moments = None if self.moments is None else self.moments[places]
        local = None if self.local is None else self.local[places]
        return Prepared(self.rows[places], cohort, moments, local)


@dataclass(frozen=True)
class Score(ABC):
    """How likely a questioned signature is by the writer of the references.

    ``score(references, questioned)`` is all that most need. Who compares the same signatures many times
    prepares them once: ``ready = score.prepare(features)``, then ``score.compare(ready[own], ready)``.

    Parameters
    ----------
    part_weights
        Pairs of a column and a weight: columns from there to the next pair's, or to the end, count `weight`
        times as much in similarities as they do by themselves. Layers of one model that go on where another
        ends need no pairs of their own: a column that features do not have weighs nothing.
    local
        Where features hold local descriptors, and how these are matched (a `LocalMatching`, or its fields).
        Features of another size are compared as if it were not there.
    """

    name: ClassVar[str]
    """As `make_score` knows it."""
    needs_cohort: ClassVar[bool] = False
    """Whether features of other writers, the cohort, are wanted beside references and questioned."""
    part_weights: Sequence[tuple[int, float]] = ()
    local: LocalMatching | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        object.__setattr__(self, "part_weights", _checked_parts(self.part_weights))
        object.__setattr__(self, "local", as_matching(self.local))

    @property
    def options(self) -> dict[str, Any]:
        """What it was made with, as plain data: ``make_score(score.name, **score.options)`` is equal.

        What was learnt and is no plain data, as the arrays of ``plda``, is left out.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["part_weights"] = [list(pair) for pair in self.part_weights]
        values["local"] = None if self.local is None else json.loads(msgspec.json.encode(self.local))
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if isinstance(value, int | float | str | tuple | list | dict)
        }

    def __call__(
        self, references: ArrayLike, questioned: ArrayLike, cohort: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Score questioned signatures against references of one writer.

        Parameters
        ----------
        references
            float ``(R, D)``, features of genuine signatures of one writer; R is at least 1.
        questioned
            float ``(Q, D)``, of the same model and layer.
        cohort
            float ``(C, D)``, features of other writers' signatures; required where `needs_cohort`, else not
            looked at.

        Returns
        -------
        float64 ``(Q,)``
            Higher: more likely genuine.

        Raises
        ------
        DataError
            If there is no reference, a feature is not finite or zero, sizes differ, or the cohort is missing
            or too small.
        """
        known = checked_features(references, "references")
        asked = checked_features(questioned, "questioned features")
        check_same_size(known, asked)
        return self.compare(
            self.prepare(known, cohort, "references"), self.prepare(asked, cohort, "questioned features")
        )

    def prepare(
        self, features: ArrayLike, cohort: ArrayLike | None = None, what: str = "features"
    ) -> Prepared:
        """Check features, and compute what depends on single ones alone.

        Parameters
        ----------
        features
            float ``(N, D)``.
        cohort
            float ``(C, D)``, where `needs_cohort`.
        what
            What messages call the features.

        Returns
        -------
        Prepared
            For `compare`, as references or as questioned signatures.

        Raises
        ------
        DataError
            As when it is called.
        """
        whole, local = self._split(checked_features(features, what))
        rows = self._rows(whole, what)
        if not self.needs_cohort:
            return Prepared(rows, local=local)
        if cohort is None:
            raise DataError(
                f"the score {self.name} compares with a cohort: features of other writers' signatures. "
                "Give some, of the same model and layer, or take another score."
            )
        other_features, _ = self._split(checked_features(cohort, "features of the cohort"))
        others = self._rows(other_features, "features of the cohort")
        check_same_size(rows, others)
        if len(others) < 2:
            raise DataError(f"a cohort needs at least 2 signatures, got {len(others)}.")
        against = rows @ others.T
        return Prepared(rows, against, self._moments(against), local)

    def compare(self, references: Prepared, questioned: Prepared) -> NDArray[np.float64]:
        """Score prepared signatures, float64 ``(Q,)``.

        Parameters
        ----------
        references, questioned
            What `prepare` made of R and of Q signatures.

        Returns
        -------
        array
            float64 ``(Q,)``; a higher score is more likely genuine.

        Raises
        ------
        DataError
            If there is no reference, or only references or only questioned hold local descriptors.
        """
        if not len(references):
            raise DataError("verification needs at least one reference signature, got none.")
        if (references.local is None) != (questioned.local is None):
            raise DataError(_ONE_LOCAL.format("references and questioned features"))
        return self._compare(references, questioned)

    def _moments(self, against: Floats) -> Floats | None:
        """What is wanted of similarities to the cohort, ``(N, C)``; see `Prepared.moments`."""
        return None

    @abstractmethod
    def _compare(self, references: Prepared, questioned: Prepared) -> NDArray[np.float64]:
        """Score, with at least one reference."""

    def _split(self, features: Floats) -> tuple[Floats, LocalDescriptors | None]:
        """Features as those that are compared by their cosine, and the local descriptors."""
        if isinstance(self.local, LocalMatching) and self.local.fits(features.shape[1]):
            return self.local.split(features)
        return features, None

    def _rows(self, features: ArrayLike, what: str) -> Floats:
        """Rows that are compared: here those of length 1, whose products are cosines."""
        rows = self._weighted(checked_features(features, what))
        if not rows.any(axis=1).all():
            row = int(np.flatnonzero(~rows.any(axis=1))[0])
            raise DataError(f"{what} hold a row of zeros (row {row}), which has no direction to compare.")
        return unit_rows(rows)

    def _weighted(self, rows: Floats) -> Floats:
        """Rows whose products weigh parts as they should."""
        if not self.part_weights:
            return rows
        factors = np.ones(rows.shape[1])
        for column, weight in self.part_weights:
            factors[column:] = weight**0.5
        return rows * factors


def check_comparable(a: Prepared, b: Prepared) -> None:
    """Raise `DataError` unless both were prepared of features of the same size."""
    if (a.local is None) != (b.local is None):
        raise DataError(_ONE_LOCAL.format("features"))
    check_same_size(a.rows, b.rows)


def _checked_parts(parts: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    try:
        pairs = tuple((int(column), float(weight)) for column, weight in parts)
    except (TypeError, ValueError) as error:
        raise UsageError(f"part_weights must be pairs of a column and a weight, got {parts!r}.") from error
    columns = [column for column, _ in pairs]
    if columns != sorted(set(columns)) or any(column < 0 for column in columns):
        raise UsageError(f"part_weights: columns must rise from 0 or more, got {columns}.")
    for _, weight in pairs:
        check_at_least(weight, 0.0, "a weight of part_weights")
    return pairs


def check_at_least(value: float, least: float, what: str) -> None:
    """Raise `UsageError` if an option of a score is below what makes sense, or no number."""
    if not (isinstance(value, int | float) and np.isfinite(value) and value >= least):
        raise UsageError(f"{what} must be a number of at least {least:g}, got {value!r}.")
