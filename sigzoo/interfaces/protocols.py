"""The interface of an evaluation protocol: from features and what is known of them to error rates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

__all__ = ["EvaluationProtocol", "Measured", "Signatures"]


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
            Kind of impostor (``random``, ``skilled``, ``same_text``) -> equal error rate, as far as the
            data have that kind.

        Raises
        ------
        DataError
            If the data cannot be measured so: too few signatures of a writer, one writer only, features that
            are not finite.
        """
