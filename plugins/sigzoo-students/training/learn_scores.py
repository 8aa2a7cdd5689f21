"""What is learnt from synthetic writers: a cohort, coefficients of `logistic`, arrays of `plda`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from development import LAYERS, MODELS, FeatureSet, comparisons
from sklearn.linear_model import LogisticRegression

from sigzoo.verification.learnt_scores import Logistic
from sigzoo.verification.plda import PldaArrays, learn_plda

__all__ = ["cohort", "learn_logistic", "learn_plda_arrays"]

_REFERENCES = (1, 2, 3, 5)
_SHARES = {"genuine": 1.0, "skilled": 0.5, "same text": 0.25, "random": 0.25}
"""Of the weight of all comparisons, as far as there are such."""


def cohort(sets: Sequence[FeatureSet], model: str, layer: str) -> np.ndarray:
    """One genuine signature of each synthetic writer, ``(C, D)``."""
    found = []
    for each in sets:
        places = np.flatnonzero(~np.asarray(each.known.forged, bool))
        _, first = np.unique(np.asarray(each.known.identity)[places], return_index=True)
        found.append(each.features[model, layer][places[first]])
    return np.concatenate(found)


def learn_plda_arrays(sets: Sequence[FeatureSet], model: str, layer: str, components: int) -> PldaArrays:
    """PLDA of the genuine signatures of synthetic writers."""
    features, writers = [], []
    for each in sets:
        genuine = ~np.asarray(each.known.forged, bool)
        features.append(each.features[model, layer][genuine])
        writers += [f"{each.name} {name}" for name in np.asarray(each.known.identity)[genuine]]
    return learn_plda(np.concatenate(features), writers, components=components)


def learn_logistic(sets: Sequence[FeatureSet]) -> tuple[float, ...]:
    """Coefficients and constant, for all models, layers and numbers of references together."""
    score = Logistic()
    statistics, genuine, weights = [], [], []
    for each, count, model, layer in product(sets, _REFERENCES, MODELS, LAYERS):
        ready = score.prepare(each.features[model, layer], None)
        parts: dict[str, list[np.ndarray]] = {}
        for one in comparisons(each.known, count, 0):
            for kind, asked in one.questioned.items():
                parts.setdefault(kind, []).append(score.statistics(ready[one.references], ready[asked]))
        for kind, found in parts.items():
            rows = np.concatenate(found)
            statistics.append(rows)
            genuine.append(np.full(len(rows), kind == "genuine"))
            weights.append(np.full(len(rows), _SHARES[kind] / len(rows)))
    weight = np.concatenate(weights)
    fitted = LogisticRegression(C=1e3, max_iter=1000).fit(
        np.concatenate(statistics), np.concatenate(genuine), weight * len(weight) / weight.sum()
    )
    return (*(float(each) for each in fitted.coef_[0]), float(fitted.intercept_[0]))
