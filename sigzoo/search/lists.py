"""Lists of an inverted file: centroids by k-means, and the nearest centroid of each vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.search.nearest import faiss_or_none

__all__ = ["assigned", "centroids_of"]

_ROUNDS = 10
_SEED = 1234


def centroids_of(sample: NDArray[np.float32], lists: int) -> NDArray[np.float32]:
    """Centroids of k-means (Lloyd), float32 ``(lists, D)``.

    Parameters
    ----------
    sample
        float32 ``(n, D)``, at least as many as lists.
    lists
        How many.
    """
    faiss = faiss_or_none()
    if faiss is not None:
        means = faiss.Kmeans(
            sample.shape[1],
            lists,
            niter=_ROUNDS,
            seed=_SEED,
            min_points_per_centroid=1,
            max_points_per_centroid=max(256, -(-len(sample) // lists)),
        )
        means.train(np.ascontiguousarray(sample))
        found: NDArray[np.float32] = means.centroids
        return found
    rng = np.random.default_rng(_SEED)
    centroids = sample[rng.choice(len(sample), lists, replace=False)].copy()
    for _ in range(_ROUNDS):
        which = assigned(sample, centroids)
        sizes = np.bincount(which, minlength=lists)
        order = np.argsort(which, kind="stable")
        filled = np.flatnonzero(sizes)
        starts = np.concatenate([[0], np.cumsum(sizes[filled])[:-1]])
        centroids[filled] = np.add.reduceat(sample[order], starts) / sizes[filled, np.newaxis]
        # A list that nothing is in takes a vector of the fullest.
        for empty in np.flatnonzero(sizes == 0):
            centroids[empty] = sample[rng.choice(np.flatnonzero(which == sizes.argmax()))]
    return centroids


def assigned(rows: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest centroid of each row, int64 ``(n,)``."""
    found = np.empty(len(rows), np.int64)
    lengths = np.einsum("ij,ij->i", centroids, centroids)
    step = max(1, (8 << 20) // (4 * len(centroids)))
    for start in range(0, len(rows), step):
        near = rows[start : start + step] @ centroids.T
        found[start : start + step] = (2 * near - lengths).argmax(axis=1)
    return found
