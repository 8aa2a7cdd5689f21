"""Distances and similarities between features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError

__all__ = ["cosine_similarity", "distances"]


def distances(features: ArrayLike, others: ArrayLike | None = None) -> NDArray[np.float32]:
    """Euclidean distances between features.

    Parameters
    ----------
    features
        float ``(N, D)``.
    others
        float ``(M, D)``; by default `features` themselves.

    Returns
    -------
    float32 ``(N, M)``
        Computed from the differences in float64, so that near features have accurate distances;
        the diagonal of a set with itself is exactly 0 and the matrix symmetric.

    Raises
    ------
    DataError
        If the arrays are not two-dimensional, differ in D, or hold NaN or infinity.
    """
    a = _features(features, "features")
    b = a if others is None else _features(others, "others")
    _check_same_size(a, b)
    result = np.empty((len(a), len(b)), dtype=np.float32)
    for i, row in enumerate(a):
        difference = b - row
        result[i] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return result


def cosine_similarity(features: ArrayLike, others: ArrayLike | None = None) -> NDArray[np.float32]:
    """Cosines of the angles between features, float32 ``(N, M)``; see `distances`.

    A feature of length 0 has similarity 0 to everything.
    """
    a = _features(features, "features")
    b = a if others is None else _features(others, "others")
    _check_same_size(a, b)
    return (_unit(a) @ _unit(b).T).clip(-1.0, 1.0).astype(np.float32)


def _features(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(
            f"{name} must be an array of numbers (N, D), one row a signature; "
            f"got shape {array.shape}, dtype {array.dtype}."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise DataError(f"{name} hold NaN or infinity (first in row {row}).")
    return array


def _check_same_size(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"features of different size cannot be compared: {a.shape[1]} and {b.shape[1]} numbers a row. "
            "Compute both with the same model and layer."
        )


def _unit(a: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(a, axis=1, keepdims=True)
    return a / np.where(length > 0, length, 1.0)
