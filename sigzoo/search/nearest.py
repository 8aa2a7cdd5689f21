"""The nearest rows of blocks: by FAISS where it is installed, else by numpy, with the same result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Metric", "best", "exact_similarity", "faiss_or_none", "nearest_in_blocks"]

Metric: TypeAlias = Literal["cosine", "euclidean"]
"""``cosine``: product of vectors of length 1, larger is nearer. ``euclidean``: minus the distance."""

_SPARE = 16
"""Neighbours beyond those asked for that a block gives: their order is decided anew, in float64."""


def faiss_or_none() -> Any:
    """FAISS, where it is installed."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def nearest_in_blocks(
    asked: NDArray[np.float32],
    blocks: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]],
    k: int,
    metric: Metric,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest of all blocks' rows to each of some vectors.

    A block's candidates are found in float32; their similarities are computed again in float64, each row by
    itself, and ties go to the smaller number. So the result does not depend on the size of blocks, on how
    many vectors are asked together, or on what finds the candidates.

    Parameters
    ----------
    asked
        float32 ``(Q, D)``.
    blocks
        Numbers ``(n,)`` and rows ``(n, D)`` each; no number comes twice.
    k
        How many.
    metric
        What is near.

    Returns
    -------
    numbers, similarities
        int64 and float64 ``(Q, k)``, the nearest first; ``-1`` and minus infinity where there are fewer rows.
    """
    numbers = np.full((len(asked), k), -1, np.int64)
    similarities = np.full((len(asked), k), -np.inf)
    for own, rows in blocks:
        places = _candidates(asked, rows, min(k + _SPARE, len(rows)), metric)
        for place, candidates in enumerate(places):
            found = exact_similarity(asked[place], rows[candidates], metric)
            together = np.concatenate([numbers[place], own[candidates]])
            values = np.concatenate([similarities[place], found])
            order = best(together, values, k)
            numbers[place], similarities[place] = together[order], values[order]
    return numbers, similarities


def best(numbers: NDArray[np.int64], similarities: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Places of the k most similar, ties to the smaller number."""
    return np.lexsort((numbers, -similarities))[:k]


def exact_similarity(
    asked: NDArray[np.float32], rows: NDArray[np.float32], metric: Metric
) -> NDArray[np.float64]:
    """Similarity of one vector ``(D,)`` to rows ``(n, D)``, in float64, each row by itself."""
    one, many = asked.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        cosine: NDArray[np.float64] = (many * one).sum(axis=1)  # `@` would depend on the other rows
        return cosine
    difference = many - one
    distance: NDArray[np.float64] = np.sqrt((difference * difference).sum(axis=1))
    return -distance


def _candidates(
    asked: NDArray[np.float32], rows: NDArray[np.float32], count: int, metric: Metric
) -> NDArray[np.int64]:
    """Places of the nearest rows of one block to each vector, in any order: int64 ``(Q, count)``."""
    if not count:
        return np.empty((len(asked), 0), np.int64)
    faiss = faiss_or_none()
    if faiss is not None:
        kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
        found: NDArray[np.int64] = faiss.knn(
            np.ascontiguousarray(asked), np.ascontiguousarray(rows), count, metric=kind
        )[1]
        return found
    near = asked @ rows.T
    if metric == "euclidean":
        near = 2 * near - np.einsum("ij,ij->i", rows, rows)
    return np.argpartition(-near, count - 1, axis=1)[:, :count]
