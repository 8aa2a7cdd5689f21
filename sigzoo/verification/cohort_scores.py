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

from sigzoo.verification.base import Prepared, Score, check_at_least
from sigzoo.verification.similarity_scores import mean_cosine

__all__ = ["AdaptiveSNorm", "SNorm", "TNorm", "ZNorm"]

Floats = NDArray[np.float64]

_LEAST_SPREAD = 1e-6
"""A cohort of equal scores, which says nothing of the scale, divides by this."""


@dataclass(frozen=True)
class ZNorm(Score):
    """The mean cosine similarity, in deviations from how the cohort scores against the references."""

    name: ClassVar[str] = "z-norm"
    needs_cohort: ClassVar[bool] = True

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        mean, spread = _moments(_of_references(references))
        return (mean_cosine(references, questioned) - mean) / spread


@dataclass(frozen=True)
class TNorm(Score):
    """The mean cosine similarity, in deviations from how the questioned one scores against the cohort."""

    name: ClassVar[str] = "t-norm"
    needs_cohort: ClassVar[bool] = True

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        mean, spread = _moments(_against_cohort(questioned))
        return (mean_cosine(references, questioned) - mean) / spread


@dataclass(frozen=True)
class SNorm(Score):
    """Mean of z-norm and t-norm: the same whichever side is called the reference."""

    name: ClassVar[str] = "s-norm"
    needs_cohort: ClassVar[bool] = True

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        return _halves(references, questioned, None)


@dataclass(frozen=True)
class AdaptiveSNorm(Score):
    """s-norm against the `top` signatures of the cohort that are most like each side."""

    name: ClassVar[str] = "as-norm"
    needs_cohort: ClassVar[bool] = True
    top: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self.top, 2, "top")

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        return _halves(references, questioned, self.top)


def _halves(references: Prepared, questioned: Prepared, top: int | None) -> Floats:
    raw = mean_cosine(references, questioned)
    mean_z, spread_z = _moments(_of_references(references), top)
    mean_t, spread_t = _moments(_against_cohort(questioned), top)
    return 0.5 * ((raw - mean_z) / spread_z + (raw - mean_t) / spread_t)


def _against_cohort(signatures: Prepared) -> Floats:
    assert signatures.cohort is not None  # `prepare` sees to it
    return signatures.cohort


def _of_references(references: Prepared) -> Floats:
    """How each of the cohort scores against the references, ``(1, C)``."""
    scores: Floats = _against_cohort(references).mean(axis=0, keepdims=True)
    return scores


def _moments(scores: Floats, top: int | None = None) -> tuple[Floats, Floats]:
    """Mean and deviation along the cohort, ``(N,)`` each; of the `top` highest scores alone where given."""
    if top is not None and top < scores.shape[1]:
        scores = np.partition(scores, -top, axis=1)[:, -top:]
    return scores.mean(axis=1), np.maximum(scores.std(axis=1), _LEAST_SPREAD)
