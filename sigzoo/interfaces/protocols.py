"""The interface of an evaluation protocol: from features and what is known of them to error rates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "GENUINE",
    "IMPOSTORS",
    "KINDS",
    "EvaluationProtocol",
    "FeatureSet",
    "Measured",
    "Signatures",
    "Trials",
]

GENUINE = "genuine"

IMPOSTORS = ("random", "skilled", "same_text")
"""Kinds of impostor: another writer's genuine signature, a skilled forgery, the same text by another."""

KINDS = (GENUINE, *IMPOSTORS)
"""What a questioned signature can be; `Trials.kinds` holds places in this."""


@dataclass(frozen=True)
class Signatures:
    """What is known of N images; strings may be anything that tells things apart."""

    identity: Sequence[str]
    """Whose signature it is or claims to be."""
    writer: Sequence[str]
    """The person whom `identity` belongs to; writers are what the bootstrap draws."""
    forged: Sequence[bool]
    """Whether it is a skilled forgery of `identity`."""
    text: Sequence[str] | None = None
    """What is written, where several writers wrote the same: gives same-text impostors."""
    medium: Sequence[str] | None = None
    """How it was taken; impostors are then drawn with the same media as the genuine ones."""


@dataclass(frozen=True)
class FeatureSet:
    """Features and what is known of them: other writers, whom a protocol may learn from."""

    features: ArrayLike
    """float ``(N, D)``, finite."""
    known: Signatures


@dataclass(frozen=True)
class Measured:
    """An equal error rate in percent."""

    eer: float
    """Mean over the draws of references."""
    low: float
    """2.5 % bound of the bootstrap over writers; `high` is the 97.5 % bound."""
    high: float
    draws: tuple[float, ...]
    """The EER of each draw."""

    def __str__(self) -> str:
        return f"{self.eer:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Trials:
    """One draw of references, and the score of every comparison that was made with it."""

    scores: NDArray[np.float64]
    """``(T,)``, finite; a higher one is more likely genuine."""
    questioned: NDArray[np.int64]
    """``(T,)``: which signature was questioned, as a row of the features."""
    claimed: NDArray[np.int64]
    """``(T,)``: whose it claims to be, as a place in `identities`."""
    kinds: NDArray[np.int8]
    """``(T,)``: what it is, as a place in `KINDS`."""
    identities: tuple[str, ...]
    """Whose signatures were compared with."""
    references: tuple[NDArray[np.int64], ...]
    """For each of `identities` the rows of the references."""
    threshold: float | None = None
    """From which score on a signature is accepted, where the score says so itself: 0 for an SVM's."""

    def of(self, kind: str) -> NDArray[np.bool_]:
        """``(T,)``: which trials are of a kind, one of `KINDS`.

        Parameters
        ----------
        kind
            ``"genuine"``, or a kind of impostor.

        Returns
        -------
        array
            bool ``(T,)``.
        """
        found: NDArray[np.bool_] = self.kinds == KINDS.index(kind)
        return found

    def impostors(self) -> tuple[str, ...]:
        """The kinds of impostor that there are, in the order of `IMPOSTORS`."""
        return tuple(kind for kind in IMPOSTORS if self.of(kind).any())


class EvaluationProtocol(ABC):
    """How verification is measured; its numbers (references, seeds, ...) are options it is built with."""

    @abstractmethod
    def measure(self, features: ArrayLike, known: Signatures) -> Mapping[str, Measured]:
        """Measure verification on features.

        Parameters
        ----------
        features
            float ``(N, D)``, finite.
        known
            What the N signatures are.

        Returns
        -------
        mapping
            Kind of impostor (one of `IMPOSTORS`) -> equal error rate, as far as the data have that kind.

        Raises
        ------
        DataError
            If the data cannot be measured so: too few signatures of a writer, one writer only, features that
            are not finite.
        """

    def trials(
        self, features: ArrayLike, known: Signatures, development: FeatureSet | None = None
    ) -> Sequence[Trials]:
        """Score every comparison, one `Trials` a draw; all that `sigzoo evaluate` shows is made of these.

        The default has none, and what is shown then is what `measure` gives: equal error rates alone.

        Parameters
        ----------
        features, known
            As for `measure`, which must agree with what the trials give.
        development
            Other writers' signatures, with features of the same model and layer, for a protocol that learns.

        Returns
        -------
        sequence of Trials
            Empty by default.

        Raises
        ------
        DataError
            As for `measure`.
        """
        return ()
