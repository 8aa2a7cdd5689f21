"""Scores of the similarities to the references, and of those of the references to one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.feature_arrays import checked_features, unit_rows
from sigzoo.verification.base import Prepared, Score, check_at_least

__all__ = ["Centroid", "Euclidean", "Maximum", "Mean", "MeanAndMaximum", "Minimum", "ReferenceNormalised"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mean(Score):
    """Mean similarity to the references."""

    name: ClassVar[str] = "mean"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        if references.local is None:
            return mean_cosine(references, questioned)
        score: Floats = similarities(references, questioned).mean(axis=0)
        return score


@dataclass(frozen=True)
class Maximum(Score):
    """Similarity to the nearest reference."""

    name: ClassVar[str] = "max"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        score: Floats = similarities(references, questioned).max(axis=0)
        return score


@dataclass(frozen=True)
class Minimum(Score):
    """Similarity to the farthest reference."""

    name: ClassVar[str] = "min"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        score: Floats = similarities(references, questioned).min(axis=0)
        return score


@dataclass(frozen=True)
class MeanAndMaximum(Score):
    """Mean of the mean and of the largest cosine similarity, the largest weighing `weight`, 0 to 1."""

    name: ClassVar[str] = "mean-max"
    weight: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self.weight, 0.0, "weight")
        check_at_least(1.0 - self.weight, 0.0, "1 - weight")

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        similarity = similarities(references, questioned)
        score: Floats = (1.0 - self.weight) * similarity.mean(axis=0) + self.weight * similarity.max(axis=0)
        return score


@dataclass(frozen=True)
class Centroid(Score):
    """Cosine similarity to the mean of the references, each of length 1.

    It is the mean cosine similarity over the length of that mean, which says how alike the references are:
    with R of them whose mean similarity to one another is m, the square of the length is
    ``(1 + (R - 1) * m) / R``.
    """

    name: ClassVar[str] = "centroid"

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        score: Floats = questioned.rows @ unit_rows(references.rows.mean(axis=0, keepdims=True))[0]
        return score


@dataclass(frozen=True)
class Euclidean(Score):
    """Minus the mean Euclidean distance to the references, of features as they are: not made one long."""

    name: ClassVar[str] = "euclidean"

    def _rows(self, features: ArrayLike, what: str) -> Floats:
        return self._weighted(checked_features(features, what))

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        total = np.zeros(len(questioned))
        for each in references.rows:  # by differences, so that near features have accurate distances
            difference = questioned.rows - each
            total += np.sqrt(np.einsum("ij,ij->i", difference, difference))
        return -total / len(references)


@dataclass(frozen=True)
class ReferenceNormalised(Score):
    """Similarity to each reference, less `weight` times how similar the other references are to that one.

    Who signs alike every time is held to it, who varies is not; and a reference that is unlike the others
    expects less. With the cosine ``s_r`` of the questioned signature and reference ``r`` of R, and the mean
    cosine ``o_r`` of that reference and the R - 1 others, the score is the soft maximum of
    ``s_r - weight * own_r``,

    ``log(mean_r exp(sharpness * (s_r - weight * own_r))) / sharpness``,

    where ``own_r = ((R - 1) * o_r + pseudo_count * prior) / (R - 1 + pseudo_count)``: the more references
    there are, the better the own similarity is known; before that it is what writers have in the mean. So
    one reference is compared as any other number of them is, its own similarity being `prior`.

    Parameters
    ----------
    weight
        0 leaves the soft maximum of the cosines.
    sharpness
        0 takes the mean in place of the soft maximum; the larger, the nearer to the largest.
    prior
        Mean similarity of a writer's signatures to one another, over writers.
    pseudo_count
        How many references more than the first say as much as the prior does.

    Notes
    -----
    After A. Kholmatov and B. Yanikoglu, *Identity Authentication Using Improved Online Signature Verification
    Method*, Pattern Recognition Letters 26, 2005, who divide distances to the references by averages over
    the reference set. The defaults were chosen on development sets by
    ``plugins/sigzoo-students/training/choose_score.py``; ``docs/scores.md`` has its table.
    """

    name: ClassVar[str] = "reference-norm"
    weight: float = 0.8
    sharpness: float = 8.0
    prior: float = 0.7
    pseudo_count: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self.weight, 0.0, "weight")
        check_at_least(self.sharpness, 0.0, "sharpness")
        check_at_least(self.prior, -1.0, "prior")
        check_at_least(self.pseudo_count, 0.0, "pseudo_count")

    def _compare(self, references: Prepared, questioned: Prepared) -> Floats:
        own = own_similarity(references, self.prior, self.pseudo_count)
        return self.from_similarities(similarities(references, questioned), own)

    def from_similarities(self, to_questioned: Floats, own: Floats) -> Floats:
        """The score, ``(Q,)``, from similarities ``(R, Q)`` and the references' own, shrunk, ``(R,)``."""
        return soft_maximum(to_questioned - self.weight * own[:, None], self.sharpness)


def mean_cosine(references: Prepared, questioned: Prepared) -> Floats:
    """Mean cosine of each questioned signature and the references, ``(Q,)``; without local descriptors."""
    score: Floats = questioned.rows @ references.rows.mean(axis=0)
    return score


def similarities(references: Prepared, questioned: Prepared) -> Floats:
    """Similarity of each reference to each questioned signature, ``(R, Q)``.

    The cosine, and what local descriptors add to it where both have such.
    """
    table: Floats = references.rows @ questioned.rows.T
    if references.local is not None and questioned.local is not None:
        table = table + references.local.matching.added(references.local.similarity(questioned.local))
    return table


def own_similarity(references: Prepared, prior: float, pseudo_count: float) -> Floats:
    """Mean similarity of each reference to the others, ``(R,)``, shrunk; see `ReferenceNormalised`."""
    if len(references) == 1:
        return np.array([prior])
    return shrunk(similarities(references, references), prior, pseudo_count)


def shrunk(table: Floats, prior: float, pseudo_count: float) -> Floats:
    """From similarities of references to one another, ``(R, R)``, the mean of each to the others, shrunk."""
    total = table.sum(axis=1) - np.diagonal(table)
    own: Floats = (total + pseudo_count * prior) / (len(table) - 1 + pseudo_count)
    return own


def soft_maximum(values: Floats, sharpness: float) -> Floats:
    """Along the first axis: from the mean at 0 towards the maximum, the larger `sharpness` is."""
    if sharpness == 0.0:
        mean: Floats = values.mean(axis=0)
        return mean
    largest = values.max(axis=0)  # first, so that no exponential overflows
    soft: Floats = largest + np.log(np.exp(sharpness * (values - largest)).mean(axis=0)) / sharpness
    return soft
