"""Kernels of an SVM on signatures of a pool: of scaled features, or of a score's similarity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.svm import SvmOptions
from sigzoo.verification.base import Prepared, check_comparable
from sigzoo.verification.scores import Score
from sigzoo.verification.similarity_scores import similarities

__all__ = [
    "SIMILARITY_GAMMA",
    "PoolKernel",
    "ScaledFeatures",
    "SimilarityKernel",
    "TabledKernel",
    "checked_gamma",
    "gaussian",
    "squared_distances",
]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SIMILARITY_GAMMA = 2.0
"""How fast a kernel of a similarity falls; ``training/choose_kernel.py`` of sigzoo-students chose it."""

_TOGETHER = 128
"""Rows of a table of similarities that are computed at once."""


class PoolKernel(Protocol):
    """A kernel of signatures that are named by their rows in a pool of features."""

    def matrix(self, a: Rows, b: Rows) -> Floats:
        """Of each of the signatures `a` with each of `b`: float64 ``(N, M)``."""


@dataclass(frozen=True)
class ScaledFeatures:
    """The published kernels: of features that are divided by their deviation in the training set."""

    options: SvmOptions
    pool: Floats
    """``(P, D)``."""
    scale: Floats
    """``(D,)``."""

    def matrix(self, a: Rows, b: Rows) -> Floats:
        """See `PoolKernel.matrix`."""
        scaled = self.pool[a] / self.scale
        return self.options.matrix(scaled, scaled if b is a else self.pool[b] / self.scale)


class TabledKernel:
    """Another kernel between signatures that may be learnt and those that may be tested, computed once."""

    def __init__(self, kernel: PoolKernel, learnt: Rows, tested: Rows) -> None:
        self._learnt, self._tested = np.sort(learnt), np.sort(tested)
        self._among_learnt = kernel.matrix(self._learnt, self._learnt)
        self._of_tested = kernel.matrix(self._tested, self._learnt)

    def matrix(self, a: Rows, b: Rows) -> Floats:
        """See `PoolKernel.matrix`; `b` are learnt, and `a` all learnt or all tested."""
        columns = np.searchsorted(self._learnt, b)
        if np.isin(a, self._learnt).all():
            return self._among_learnt[np.ix_(np.searchsorted(self._learnt, a), columns)]
        return self._of_tested[np.ix_(np.searchsorted(self._tested, a), columns)]


class SimilarityKernel:
    """A Gaussian kernel of the similarity by which a score compares signatures.

    ``exp(-gamma * d^2)`` with ``d^2 = s(a, a) + s(b, b) - 2 s(a, b)``. Where the similarity s is the cosine,
    that is the RBF kernel of features of length 1. Where local descriptors are matched too, s is the mean of
    the cosine and of their similarity, which weighs as much as the score says. Scores that compare distances
    are no cosines: of ``euclidean`` d is the distance of features as they are, and of ``plda`` that of what
    it makes of them, so that gamma must suit their size.

    Parameters
    ----------
    score
        Whose similarity is taken.
    pool
        float ``(P, D)``, features.
    learnt
        Rows that may be learnt: one of two signatures that are compared is one of these. Their similarities
        to the whole pool are computed once, and take four bytes each.
    gamma
        How fast the kernel falls.

    Raises
    ------
    DataError
        If a row cannot be compared, as it is not finite or zero, or the score needs a cohort.
    UsageError
        If gamma is no number above 0.

    Notes
    -----
    Means of best matches make a useful kernel (C. Wallraven, B. Caputo, A. Graf, *Recognition with Local
    Features: the Kernel Recipe*, ICCV 2003), but not always a positive definite one: as B. Haasdonk shows
    (*Feature Space Interpretation of SVMs with Indefinite Kernels*, IEEE Transactions on Pattern Analysis and
    Machine Intelligence 27, 2005), the SVM then separates convex hulls in a pseudo-Euclidean space, at a
    stationary point of the same problem.
    """

    def __init__(self, score: Score, pool: Floats, learnt: Rows, gamma: float) -> None:
        self._gamma = checked_gamma(gamma)
        if score.needs_cohort:
            raise DataError(
                f"the score {score.name} compares with a cohort, its similarity alone says less:"
                " a kernel takes another score."
            )
        ready = score.prepare(pool)
        # Those that may be learnt first: two of them are compared once.
        order = np.concatenate([learnt, np.setdiff1d(np.arange(len(pool)), learnt)])
        self._place = np.argsort(order)
        self._table = np.empty((len(learnt), len(pool)), np.float32)
        for first in range(0, len(learnt), _TOGETHER):
            rows = slice(first, min(first + _TOGETHER, len(learnt)))
            found = squared_distances(ready[order[rows]], ready[order[first:]])
            self._table[rows, first:] = found
            self._table[first : len(learnt), rows] = found[:, : len(learnt) - first].T

    def matrix(self, a: Rows, b: Rows) -> Floats:
        """See `PoolKernel.matrix`; `b` are among those that may be learnt."""
        distances = self._table[np.ix_(self._place[b], self._place[a])].T.astype(np.float64)
        return gaussian(distances, self._gamma)


def squared_distances(a: Prepared, b: Prepared) -> Floats:
    """Squared distances of signatures, float64 ``(N, M)``, as `SimilarityKernel` has them.

    Parameters
    ----------
    a, b
        What a score has prepared of N and of M signatures.

    Raises
    ------
    DataError
        If they are features of different size.
    """
    check_comparable(a, b)
    whole = 1.0 if a.local is None else 1.0 + a.local.matching.weight
    twice = _to_itself(a)[:, None] + _to_itself(b)
    distances: Floats = (twice - 2.0 * similarities(a, b)) / whole
    return np.maximum(distances, 0.0)


def _to_itself(a: Prepared) -> Floats:
    """Similarity of each signature to itself, ``(N,)``."""
    own: Floats = np.einsum("nd,nd->n", a.rows, a.rows)
    if a.local is None:
        return own
    local: Floats = np.asarray(a.local.shares.any(axis=(1, 2)), np.float64)  # 1, and 0 without descriptors
    return np.add(own, a.local.matching.added(local))


def checked_gamma(gamma: object) -> float:
    """How fast a kernel falls, or `UsageError` if that is no number above 0."""
    number = float(gamma) if isinstance(gamma, Real) and not isinstance(gamma, bool) else math.nan
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"gamma must be a number above 0, got {gamma!r}.")
    return number


def gaussian(distances: Floats, gamma: float) -> Floats:
    """``exp(-gamma * d^2)`` of squared distances."""
    found: Floats = np.exp(-gamma * distances)
    return found
