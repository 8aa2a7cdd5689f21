"""What the core's protocols have in common: equal error rates are made of their trials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from numpy.typing import ArrayLike

from sigzoo.evaluation.summary import measured
from sigzoo.interfaces.protocols import EvaluationProtocol, FeatureSet, Measured, Signatures, Trials

__all__ = ["TrialsProtocol"]


class TrialsProtocol(EvaluationProtocol):
    """A protocol that gives every comparison with its score."""

    replicates: int
    """Bootstrap samples of the writers, for the intervals."""

    def measure(self, features: ArrayLike, known: Signatures) -> dict[str, Measured]:
        """Equal error rates with one threshold for all writers.

        Raises
        ------
        DataError, UsageError
            As `trials`.
        """
        return measured(self.trials(features, known), known, self.replicates)

    @abstractmethod
    def trials(
        self, features: ArrayLike, known: Signatures, development: FeatureSet | None = None
    ) -> Sequence[Trials]:
        """Score every comparison, one `Trials` a draw; see `EvaluationProtocol.trials`."""
