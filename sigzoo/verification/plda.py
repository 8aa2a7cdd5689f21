"""Learning PLDA: the covariances between writers and within them, made diagonal together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.atomic import whole_file
from sigzoo.common.feature_arrays import checked_features, unit_rows
from sigzoo.data.npz import open_npz
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.errors import DataError, UsageError

__all__ = ["PldaArrays", "learn_plda"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PldaArrays:
    """What the score ``plda`` computes with."""

    mean: Floats
    """``(D,)``: of features of length 1."""
    transform: Floats
    """``(D, K)``: to coordinates in which signatures of a writer vary by 1, independently."""
    between: Floats
    """``(K,)``: variances of writers' centres there; falling."""

    def project(self, rows: Floats) -> Floats:
        """Features of length 1, ``(N, D)``, in the coordinates of PLDA, ``(N, K)``.

        Parameters
        ----------
        rows
            float64 ``(N, D)``, rows of length 1.

        Returns
        -------
        array
            float64 ``(N, K)``.
        """
        projected: Floats = (rows - self.mean) @ self.transform
        return projected

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz``; half precision, which is ample for what is learnt from some hundred writers.

        Parameters
        ----------
        path
            The file to write.
        """
        with whole_file(Path(path), suffix=".npz") as file, ArrayWriter(file) as archive:
            for name in _NAMES:
                archive.add(name, getattr(self, name).astype(np.float16))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PldaArrays:
        """Read what `save` wrote.

        Parameters
        ----------
        path
            An ``.npz``.

        Returns
        -------
        PldaArrays
            In double precision.

        Raises
        ------
        DataError
            If the file holds no such arrays.
        """
        with open_npz(path) as file:
            missing = [name for name in _NAMES if name not in file]
            if missing:
                raise DataError(f"{os.fspath(path)} holds no PLDA: the array {missing[0]} is missing.")
            mean, transform, between = (file[name].read() for name in _NAMES)
        arrays = (mean, transform, between)
        fits = (mean.ndim, transform.ndim, between.ndim) == (1, 2, 1)
        if not fits or transform.shape != (len(mean), len(between)):
            shapes = ", ".join(str(each.shape) for each in arrays)
            raise DataError(f"{os.fspath(path)}: arrays of the shapes {shapes} are no PLDA.")
        if not all(each.dtype.kind == "f" and np.isfinite(each).all() for each in arrays):
            raise DataError(f"{os.fspath(path)}: a PLDA's arrays are finite floating-point numbers.")
        if (between < 0).any():
            raise DataError(f"{os.fspath(path)}: a variance between writers is below 0.")
        return cls(*(each.astype(np.float64) for each in arrays))


_NAMES = ("mean", "transform", "between")


def learn_plda(
    features: ArrayLike, writers: ArrayLike, *, components: int = 64, shrinkage: float = 0.1
) -> PldaArrays:
    """Learn PLDA from genuine signatures of many writers, by moments.

    Parameters
    ----------
    features
        float ``(N, D)``.
    writers
        ``(N,)``: who wrote each; those with one signature tell only how writers differ.
    components
        Directions to keep, those in which writers differ most against how each varies.
    shrinkage
        From 0 to 1: the share of the covariance within writers that is taken as the same in all directions,
        as some hundred writers do not tell it apart in several hundred.

    Returns
    -------
    PldaArrays
        Mean, directions, and how much writers differ along each.

    Raises
    ------
    DataError
        If there are not two writers, none has two signatures, or a feature is not finite.
    UsageError
        If a number is out of range.
    """
    if components < 1 or not 0 <= shrinkage <= 1:
        raise UsageError(
            f"components must be at least 1 and shrinkage from 0 to 1: {components}, {shrinkage}."
        )
    rows = unit_rows(checked_features(features, "features"))
    names, who, counts = np.unique(np.asarray(writers), return_inverse=True, return_counts=True)
    if len(who) != len(rows):
        raise DataError(f"{len(rows)} features, and writers of {len(who)}.")
    if len(names) < 2 or counts.max() < 2:
        raise DataError(
            f"PLDA is learnt from several signatures of several writers; here are {len(names)} writers, "
            f"with at most {counts.max(initial=0)} signatures each."
        )
    centres = np.zeros((len(names), rows.shape[1]))
    np.add.at(centres, who, rows)
    centres /= counts[:, None]
    off = rows - centres[who]
    within = off.T @ off / (len(rows) - len(names))
    even = np.trace(within) / len(within)
    within = (1.0 - shrinkage) * within + shrinkage * even * np.eye(len(within))
    # Centres are means of few signatures, and scatter by that too.
    between = np.cov(centres.T) - within * (1.0 / counts).mean()
    return _diagonal(centres.mean(axis=0), within, between, components)


def _diagonal(mean: Floats, within: Floats, between: Floats, components: int) -> PldaArrays:
    """Coordinates in which `within` is the unit matrix and `between` is diagonal."""
    variances, axes = np.linalg.eigh(within)
    if variances[0] <= 1e-12 * variances[-1]:
        raise DataError("signatures of one writer do not vary in some direction: take a shrinkage above 0.")
    white = axes / np.sqrt(variances)
    found, turned = np.linalg.eigh(white.T @ between @ white)
    kept = [place for place in np.argsort(found)[::-1][:components] if found[place] > 0]
    return PldaArrays(mean, white @ turned[:, kept], found[kept])
