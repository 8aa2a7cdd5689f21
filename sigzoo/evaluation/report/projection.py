"""Features in two dimensions, for a picture: t-SNE with scikit-learn, else principal components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["chosen_rows", "principal_components", "project"]

Floats = NDArray[np.float64]

_LEAST, _MOST = 20, 1_500
"""Signatures that t-SNE is run on: of fewer it shows nothing, of more it takes minutes."""
_WRITERS, _EACH = 24, 30
_KEPT = 50
"""Principal components that t-SNE is given (van der Maaten and Hinton, 2008, section 4.2)."""


def chosen_rows(writers: Sequence[str], forged: Sequence[bool]) -> NDArray[np.int64]:
    """Signatures to show: of at most 24 writers, spread over all, at most 30 genuine and 30 forged ones."""
    names = list(dict.fromkeys(writers))
    places = np.unique(np.linspace(0, len(names) - 1, min(_WRITERS, len(names))).round().astype(int))
    wanted = {names[place] for place in places}
    taken: dict[tuple[str, bool], int] = {}
    rows = []
    for row, (writer, false) in enumerate(zip(writers, forged, strict=True)):
        key = (writer, bool(false))
        if writer in wanted and taken.get(key, 0) < _EACH:
            taken[key] = taken.get(key, 0) + 1
            rows.append(row)
    return np.array(rows, np.int64)


def project(features: ArrayLike) -> tuple[str, Floats]:
    """Put features on a plane.

    Parameters
    ----------
    features
        float ``(N, D)``, finite.

    Returns
    -------
    method, points
        What was done, and float64 ``(N, 2)``. The same features give the same points.
    """
    values = np.asarray(features, np.float64)
    reduced, share = principal_components(values, min(_KEPT, *values.shape))
    if _LEAST <= len(values) <= _MOST and reduced.shape[1] > 2 and np.ptp(reduced) > 0:
        try:
            from sklearn.manifold import TSNE
        except ImportError:
            pass
        else:
            perplexity = min(30.0, (len(values) - 1) / 3)
            made = TSNE(2, perplexity=perplexity, init="pca", random_state=0, n_jobs=1).fit_transform(reduced)
            return "t-SNE", np.asarray(made, np.float64)
    points = np.zeros((len(values), 2))
    points[:, : reduced.shape[1]] = reduced[:, :2]
    return f"PCA, {100 * share[:2].sum():.0f} % of the variance", points


def principal_components(values: Floats, count: int) -> tuple[Floats, Floats]:
    """Scores on the first principal components, ``(N, count)``, and their shares of the variance."""
    centred = values - values.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    power = lengths**2
    shares: Floats = power / max(float(power.sum()), np.finfo(np.float64).tiny)
    scores: Floats = left[:, :count] * lengths[:count]
    return scores, shares[:count]
