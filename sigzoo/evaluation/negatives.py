"""Whose genuine signatures a writer's SVM learns as negatives, random forgeries: how many, and which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.draws import KnownArrays

__all__ = ["Negatives"]

Rows = NDArray[np.int64]

FROM_DEVELOPMENT = 14
"""Genuine signatures of each development writer that are negatives, as published for GPDS."""


@dataclass(frozen=True)
class Negatives:
    """How many negatives there are of whom.

    Attributes
    ----------
    references
        Genuine signatures of each writer that are learnt.
    from_development
        Negatives from each development writer; by default 14 where there are any.
    from_others
        Negatives from each other writer that is tested, out of their references; by default all of these
        where there is no development writer, else none.

    Raises
    ------
    UsageError
        If there are more from others than references.
    """

    references: int
    from_development: int | None
    from_others: int | None

    def __post_init__(self) -> None:
        if self.from_others is not None and self.from_others > self.references:
            raise UsageError(
                f"from_others={self.from_others}: these negatives are out of a writer's {self.references}"
                " references."
            )

    def check(self, teachers: Mapping[str, Rows]) -> None:
        """Raise what is wrong with these numbers for development writers with these genuine signatures.

        Raises
        ------
        DataError
            If one of them has too few.
        UsageError
            If there are no negatives, or such of development writers and none of these.
        """
        self._number_from_development(teachers)
        self.number_from_others(teachers)

    def of_development(self, teachers: Mapping[str, Rows], rng: np.random.RandomState) -> Rows:
        """Rows out of the development writers' genuine signatures, the same for every writer."""
        number = self._number_from_development(teachers)
        if not number:
            return np.empty(0, np.int64)
        return np.concatenate([rng.choice(rows, number, replace=False) for rows in teachers.values()])

    def of_others(
        self,
        name: str,
        references: Mapping[str, Rows],
        known: KnownArrays,
        number: int,
        rng: np.random.RandomState,
    ) -> Rows:
        """Rows out of the other writers' references, `number` of each, for the writer of this name."""
        if not number:
            return np.empty(0, np.int64)
        who = known.writer[references[name][0]]
        chosen = [
            rng.choice(rows, number, replace=False)
            for other, rows in references.items()
            if other != name and known.writer[rows[0]] != who
        ]
        return np.concatenate(chosen) if chosen else np.empty(0, np.int64)

    def number_from_others(self, teachers: Mapping[str, Rows]) -> int:
        """How many are of each other writer."""
        number = self.from_others
        if number is None:
            number = 0 if teachers else self.references
        if not number and (not teachers or self.from_development == 0):
            raise UsageError("There are no negatives: from_others and from_development are 0.")
        return number

    def _number_from_development(self, teachers: Mapping[str, Rows]) -> int:
        number = self.from_development
        if not teachers:
            if number:
                raise UsageError(f"from_development={number} needs development writers: there are none.")
            return 0
        number = FROM_DEVELOPMENT if number is None else number
        for name, rows in teachers.items():
            if len(rows) < number:
                raise DataError(
                    f"the development writer {name} has {len(rows)} genuine signatures, and"
                    f" from_development={number} takes that many of each."
                )
        return number
