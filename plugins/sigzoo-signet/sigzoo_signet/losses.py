"""The losses of SigNet and SigNet-F: writer cross-entropy, with and without the forgery term."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from sigzoo.interfaces import Loss, TrainingBatch, UsageError

__all__ = ["WriterAndForgeryLoss", "WriterLoss"]


class WriterLoss(Loss):
    """Cross-entropy over writers, from genuine signatures only: the loss of SigNet.

    Where the batch says which signatures are forgeries, these are left out; a batch without any
    genuine signature gives 0.

    References
    ----------
    Hafemann, Sabourin, Oliveira, Pattern Recognition 70, 2017, equation 1.
    doi 10.1016/j.patcog.2017.05.012
    """

    needs: ClassVar[frozenset[str]] = frozenset({"writers", "writer_logits"})

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the mean over the genuine signatures, a scalar of the logits' dtype."""
        return _writer_term(batch, genuine_only=True)


class WriterAndForgeryLoss(Loss):
    """Writers and forgeries learnt together: the loss of SigNet-F.

    ``(1 - forgery_weight) * CE(writer) + forgery_weight * BCE(forgery)``. The forgery term always
    goes over all signatures.

    Parameters
    ----------
    forgery_weight
        lambda of the publication, 0 .. 1; its models have 0.95 and 0.999.
    equation
        4: the writer term goes over genuine signatures only (0 where a batch has none);
        3: over all, a forgery counting as its target's ("L1" in sigver).

    Raises
    ------
    UsageError
        If the weight is not in 0 .. 1, or the equation neither 3 nor 4.

    References
    ----------
    Hafemann, Sabourin, Oliveira, Pattern Recognition 70, 2017, equations 3 and 4.
    doi 10.1016/j.patcog.2017.05.012
    """

    needs: ClassVar[frozenset[str]] = frozenset({"writers", "writer_logits", "forgery", "forgery_logits"})

    def __init__(self, *, forgery_weight: float = 0.95, equation: int = 4) -> None:
        super().__init__()
        if not 0.0 <= forgery_weight <= 1.0:
            raise UsageError(f"forgery_weight must be between 0 and 1, got {forgery_weight!r}.")
        if equation not in (3, 4):
            raise UsageError(f"equation must be 3 or 4 (of Hafemann et al. 2017), got {equation!r}.")
        self.forgery_weight = float(forgery_weight)
        self.equation = int(equation)

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the weighted sum of both terms, a scalar of the logits' dtype."""
        assert batch.forgery is not None  # `needs` says so
        assert batch.forgery_logits is not None
        writer = _writer_term(batch, genuine_only=self.equation == 4)
        logits = batch.forgery_logits
        forgery = functional.binary_cross_entropy_with_logits(logits, batch.forgery.to(logits.dtype))
        return (1.0 - self.forgery_weight) * writer + self.forgery_weight * forgery


def _writer_term(batch: TrainingBatch, *, genuine_only: bool) -> Tensor:
    assert batch.writer_logits is not None  # `needs` says so
    logits, writers = batch.writer_logits, batch.writers
    if genuine_only and batch.forgery is not None:
        genuine = batch.forgery == 0
        if not bool(torch.any(genuine)):
            return (logits * 0).sum()
        logits, writers = logits[genuine], writers[genuine]
    return functional.cross_entropy(logits, writers)
