"""Scores that are measured against a cohort: how signatures of other writers would have scored.

R. Auckenthaler, M. Carey, H. Lloyd-Thomas, *Score Normalization for Text-Independent Speaker Verification
Systems*, Digital Signal Processing 10, 2000 (z- and t-norm); P. Kenny, *Bayesian Speaker Verification with
Heavy-Tailed Priors*, Odyssey 2010 (s-norm, both halves); P. Matejka and others, *Analysis of Score
Normalization in Multilingual Speaker Recognition*, Interspeech 2017 (adaptive s-norm, there "AS-norm1").
The score that is normalised is the mean cosine similarity to the references.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError
from sigzoo.verification.base import Prepared, Score, check_at_least
from sigzoo.verification.similarity_scores import mean_cosine

__all__ = ["AdaptiveSNorm", "SNorm", "TNorm", "ZNorm"]

Floats = NDArray[np.float64]

_LEAST_SPREAD = 1e-6
"""A cohort of equal scores, which says nothing of the scale, divides by this."""


class _CohortScore(Score):
    """What z-, t- and s-norm share."""

    needs_cohort: ClassVar[bool] = True

    def _moments(self, against: Floats) -> Floats:
        return np.stack([against.mean(axis=1), np.maximum(against.std(axis=1), _LEAST_SPREAD)], axis=1)

    def _z(self, references: Prepared, questioned: Prepared) -> Floats:
        """In deviations from how the cohort scores against the references."""
        assert references.cohort is not None  # `prepare` sees to it
        ((mean, spread),) = self._moments(references.cohort.mean(axis=0, keepdims=True))
        score: Floats = (mean_cosine(references, questioned) - mean) / spread
        return score

    def _t(self, references: Prepared, questioned: Prepared) -> Floats:
        """In deviations from how the questioned one scores against the cohort."""
        assert questioned.moments is not None
        mean, spread = questioned.moments.T
        score: Floats = (mean_cosine(references, questioned) - mean) / spread
        return score


@dataclass(frozen=True)
class ZNorm(_CohortScore):
    """The mean cosine similarity, in deviations from how the cohort scores against the references."""

    name: ClassVar[str] = "z-norm"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        return self._z(references, questioned)


@dataclass(frozen=True)
class TNorm(_CohortScore):
    """The mean cosine similarity, in deviations from how the questioned one scores against the cohort."""

    name: ClassVar[str] = "t-norm"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        return self._t(references, questioned)


@dataclass(frozen=True)
class SNorm(_CohortScore):
    """Mean of z-norm and t-norm: the same whichever side is called the reference."""

    name: ClassVar[str] = "s-norm"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        return 0.5 * (self._z(references, questioned) + self._t(references, questioned))


@dataclass(frozen=True)
class AdaptiveSNorm(SNorm):
    """s-norm against the `top` signatures of the cohort that are most like each side."""

    name: ClassVar[str] = "as-norm"
    top: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self.top, 2, "top")
        if self.top != int(self.top):
            raise UsageError(f"top must be a whole number, got {self.top}.")

    def _moments(self, against: Floats) -> Floats:
        if self.top < against.shape[1]:
            against = np.partition(against, -self.top, axis=1)[:, -self.top :]
        return super()._moments(against)
