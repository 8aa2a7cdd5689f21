"""Distances and similarities between features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.feature_arrays import check_same_size, checked_features, unit_rows

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
    a = checked_features(features, "features")
    b = a if others is None else checked_features(others, "others")
    check_same_size(a, b)
    result = np.empty((len(a), len(b)), dtype=np.float32)
    for i, row in enumerate(a):
        difference = b - row
        result[i] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return result


def cosine_similarity(features: ArrayLike, others: ArrayLike | None = None) -> NDArray[np.float32]:
    """Cosines of the angles between features, float32 ``(N, M)``; see `distances`.

    A feature of length 0 has similarity 0 to everything.

    Parameters
    ----------
    features
        float ``(N, D)``.
    others
        float ``(M, D)``.

    Returns
    -------
    array
        float32 ``(N, M)``, from -1 to 1.
    """
    a = checked_features(features, "features")
    b = a if others is None else checked_features(others, "others")
    check_same_size(a, b)
    return (unit_rows(a) @ unit_rows(b).T).clip(-1.0, 1.0).astype(np.float32)
