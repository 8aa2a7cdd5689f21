"""What choices are measured by: error rates on a set with some references, and ratios of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from development import Comparison, FeatureSet, comparisons

from sigzoo.evaluation.metrics import equal_error
from sigzoo.verification.scores import Score

__all__ = ["Place", "log_ratio", "places_of", "shares_of"]

REFERENCES = (1, 3, 5)
DRAWS = range(4)
FLOOR = 0.5
"""Percent: below it an EER differs by a few signatures."""
WEIGHTS = {"skilled": 2.0, "same text": 1.0, "random": 1.0}
"""Of kinds of impostor; where nobody forged, the same text counts twice."""


@dataclass(frozen=True)
class Place:
    """A set, with a number of references, and what is compared there."""

    features: FeatureSet
    references: int
    draws: tuple[list[Comparison], ...]

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """How much each kind of impostor counts; 1 together."""
        return shares_of(set().union(*(each.questioned for draw in self.draws for each in draw)))

    def rates(
        self, score: Score, model: str, layer: str, cohort: np.ndarray | None = None
    ) -> dict[str, float]:
        """EER in percent by kind of impostor, mean over the draws."""
        ready = score.prepare(self.features.features[model, layer], cohort)
        found: dict[str, list[float]] = {kind: [] for kind in self.weights}
        for draw in self.draws:
            scores: dict[str, list[np.ndarray]] = {}
            for each in draw:
                asked = np.concatenate(list(each.questioned.values()))
                values = score.compare(ready[each.references], ready[asked])
                ends = np.cumsum([len(one) for one in each.questioned.values()])[:-1]
                for kind, part in zip(each.questioned, np.split(values, ends), strict=True):
                    scores.setdefault(kind, []).append(part)
            genuine = np.concatenate(scores.pop("genuine"))
            for kind, parts in scores.items():
                found[kind].append(100.0 * equal_error(genuine, np.concatenate(parts)).eer)
        return {kind: float(np.mean(each)) for kind, each in found.items()}

    def log_ratio(self, found: Mapping[str, float], other: Mapping[str, float]) -> float:
        """Mean logarithm of the EERs of one choice over those of another, weighed by kind."""
        return sum(share * log_ratio(found[kind], other[kind]) for kind, share in self.weights.items())


def shares_of(kinds: Collection[str]) -> dict[str, float]:
    """How much each of these kinds of impostor counts; 1 together."""
    found = {kind: WEIGHTS[kind] for kind in WEIGHTS if kind in kinds}
    if "skilled" not in found and "same text" in found:
        found["same text"] = WEIGHTS["skilled"]
    return {kind: each / sum(found.values()) for kind, each in found.items()}


def log_ratio(found: float, other: float) -> float:
    """Logarithm of an EER over another, in percent."""
    return math.log(max(found, FLOOR) / max(other, FLOOR))


def places_of(features: FeatureSet) -> Iterator[Place]:
    """A set with 1, 3 and 5 references, as far as its writers have signed often enough."""
    for references in REFERENCES:
        draws = tuple(comparisons(features.known, references, seed) for seed in DRAWS)
        if all(draws):
            yield Place(features, references, draws)
