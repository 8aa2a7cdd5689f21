"""Scores whose numbers are learnt from writers of whom several signatures are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.feature_arrays import check_same_size
from sigzoo.errors import DataError, UsageError
from sigzoo.verification.base import Prepared, Score, check_at_least
from sigzoo.verification.plda import PldaArrays
from sigzoo.verification.similarity_scores import own_similarity, similarities

__all__ = ["Logistic", "Plda"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Logistic(Score):
    """Log-odds of a logistic regression on four statistics of the cosines.

    Parameters
    ----------
    coefficients
        Of the mean, the largest and the least cosine to the references, and of the references' mean
        similarity to one another, shrunk as `ReferenceNormalised` has it; and the constant. The default was
        learnt on synthetic writers, for both bundled models and all their layers together, by
        ``plugins/sigzoo-students/training/choose_score.py``.
    prior, pseudo_count
        As of `ReferenceNormalised`.
    """

    name: ClassVar[str] = "logistic"
    coefficients: tuple[float, float, float, float, float] = (4.152, 2.413, 5.108, -13.0, 2.874)
    prior: float = 0.7
    pseudo_count: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            numbers = np.asarray(self.coefficients)
        except ValueError:  # lists of different lengths
            numbers = np.empty(0)
        if numbers.shape != (5,) or numbers.dtype.kind not in "fiu" or not np.isfinite(numbers).all():
            raise UsageError(f"coefficients must be five finite numbers, got {self.coefficients!r}.")
        object.__setattr__(self, "coefficients", tuple(numbers.tolist()))
        check_at_least(self.prior, -1.0, "prior")
        check_at_least(self.pseudo_count, 0.0, "pseudo_count")

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        statistics = self.statistics(references, questioned)
        odds: Floats = statistics @ np.asarray(self.coefficients[:4]) + self.coefficients[4]
        return odds

    def statistics(self, references: Prepared, questioned: Prepared) -> Floats:
        """What the regression is on, ``(Q, 4)``: mean, largest and least cosine, own similarity."""
        table = similarities(references, questioned)
        own = own_similarity(references, self.prior, self.pseudo_count).mean()
        columns = table.mean(axis=0), table.max(axis=0), table.min(axis=0), np.full(len(questioned), own)
        return np.column_stack(columns)


@dataclass(frozen=True)
class Plda(Score):
    """Log-likelihood ratio of probabilistic linear discriminant analysis: one writer, or two.

    S. Ioffe, *Probabilistic Linear Discriminant Analysis*, ECCV 2006; N. Brummer, E. de Villiers, *The
    Speaker Partitioning Problem*, Odyssey 2010 (the two-covariance model). A writer's centre is normal with
    the variances `between`, his signatures are normal around it with the variance 1, in the coordinates in
    which both covariances are diagonal. Of R references with mean m, the centre is normal with the
    mean ``R * b * m / (R * b + 1)`` and the variance ``b / (R * b + 1)``.

    Parameters
    ----------
    arrays
        What `sigzoo.verification.plda.learn_plda` found on features of the same model and layer, or the
        path of the file that it was saved to.
    """

    name: ClassVar[str] = "plda"
    arrays: PldaArrays | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.arrays is None:
            raise UsageError(
                "the score plda must be learnt for the model and layer: sigzoo.verification.plda.learn_plda "
                "gives its `arrays`."
            )
        if not isinstance(self.arrays, PldaArrays):
            object.__setattr__(self, "arrays", PldaArrays.load(self.arrays))

    def _rows(self, features: ArrayLike, what: str) -> Floats:
        assert isinstance(self.arrays, PldaArrays)
        rows = super()._rows(features, what)
        if rows.shape[1] != len(self.arrays.mean):
            raise DataError(
                f"{what} have {rows.shape[1]} numbers a row, and the score plda was learnt on features of "
                f"different size: {len(self.arrays.mean)}. Take those of the same model and layer."
            )
        return self.arrays.project(rows)

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        assert isinstance(self.arrays, PldaArrays)
        check_same_size(references.rows, questioned.rows)
        between, count = self.arrays.between, len(references)
        known = count * between + 1.0
        centre = count * between * references.rows.mean(axis=0) / known
        one, two = between / known + 1.0, between + 1.0
        ratio = questioned.rows**2 / two - (questioned.rows - centre) ** 2 / one - np.log(one / two)
        score: Floats = 0.5 * ratio.sum(axis=1)
        return score
