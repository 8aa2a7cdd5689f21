"""Who is tested and whom a protocol learns from: the writers of one set, or those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.draws import KnownArrays, checked
from sigzoo.interfaces.protocols import FeatureSet

__all__ = ["Developing", "divide", "long_enough"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Developing:
    """Writers to learn from: their genuine signatures."""

    features: NDArray[np.float64]
    genuine: dict[str, Rows]
    """Identity -> rows of `features`, in the order of the names."""


def divide(
    features: NDArray[np.float64], known: KnownArrays, development: FeatureSet | None, last: int
) -> tuple[list[str], Developing | None]:
    """Who is tested, and who is learnt from.

    Parameters
    ----------
    features, known
        The set.
    development
        Another set to learn from.
    last
        So many identities of the set, the last by name, are learnt from and not tested.

    Raises
    ------
    DataError
        If the sets' features differ in size, or too few identities are left.
    UsageError
        If both are given.
    """
    names = known.identities
    if not last:
        if development is None:
            return names, None
        others, arrays = checked(development.features, development.known)
        if others.shape[1] != features.shape[1]:
            raise DataError(
                f"the development set has {others.shape[1]} features a signature, the set"
                f" {features.shape[1]}: compute both with the same model and layer."
            )
        return names, Developing(others, {name: arrays.genuine_of(name) for name in arrays.identities})
    if development is not None:
        raise UsageError("A development set and development_writers exclude each other: give one of them.")
    if last > len(names) - 2:
        raise DataError(f"development_writers={last} leaves fewer than 2 of {len(names)} writers to test.")
    return names[:-last], Developing(features, {name: known.genuine_of(name) for name in names[-last:]})


def long_enough(genuine: dict[str, Rows], needed: int, what: str) -> dict[str, Rows]:
    """Identities with at least `needed` genuine signatures.

    Raises
    ------
    DataError
        If fewer than two have; says whose are how many.
    """
    enough = {name: rows for name, rows in genuine.items() if len(rows) >= needed}
    if len(enough) < 2:
        counts = sorted(((len(rows), name) for name, rows in genuine.items()), reverse=True)
        shown = ", ".join(f"{name} has {count}" for count, name in counts[:3])
        raise DataError(
            f"{what} takes {needed} genuine signatures of a writer and at least 2 writers who have them;"
            f" {len(enough)} of {len(genuine)} have ({shown})."
        )
    return enough
