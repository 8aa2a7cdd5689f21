"""Features as they are handed in: two-dimensional, finite, of one size; and rows made one long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError

__all__ = ["check_same_size", "checked_features", "unit_rows"]


def checked_features(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return features as float64 ``(N, D)``.

    Raises
    ------
    DataError
        If they are no two-dimensional array of numbers, or hold NaN or infinity.
    """
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


def check_same_size(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """Raise `DataError` unless rows of `a` and `b` have as many numbers."""
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"features of different size cannot be compared: {a.shape[1]} and {b.shape[1]} numbers a row. "
            "Compute both with the same model and layer."
        )


def unit_rows(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their lengths; those of length 0 stay so."""
    length = np.linalg.norm(a, axis=1, keepdims=True)
    result: NDArray[np.float64] = a / np.where(length > 0, length, 1.0)
    return result
