"""The interface of a loss, and the batch of training quantities that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

__all__ = ["Loss", "TrainingBatch"]


@dataclass(frozen=True)
class TrainingBatch:
    """What a training step knows; a loss reads the fields that it declared in `Loss.needs`.

    N signatures, D features, W writers.
    """

    features: Tensor
    """float ``(N, D)``: the backbone's features."""

    writers: Tensor
    """int64 ``(N,)``: index of the writer whose signature this is, or claims to be."""

    forgery: Tensor | None = None
    """float ``(N,)``: 0 genuine, 1 forgery."""

    writer_logits: Tensor | None = None
    """float ``(N, W)``: the writer head's output."""

    forgery_logits: Tensor | None = None
    """float ``(N,)``: the forgery head's output."""

    teacher_features: Tensor | None = None
    """float ``(N, D')``: a teacher's features of the same images."""

    teacher_logits: Tensor | None = None
    """float ``(N, W')``: a teacher's writer logits of the same images."""

    new: Tensor | None = None
    """bool ``(N,)``: signatures of writers that the teacher does not know; they are numbered from W' on."""

    signatures: Tensor | None = None
    """int64 ``(N,)``: which signatures of the training data these are."""


class Loss(nn.Module, ABC):
    """One number to minimise, from a batch of training quantities.

    The training loop knows no loss by name: it provides what `needs` declares, calls `prepare`
    once, and trains the loss's own parameters (a margin head's centres, say) with the network's.
    """

    needs: ClassVar[frozenset[str]]
    """Fields of `TrainingBatch` that must be present; also decides which heads are built."""

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        """Build parameters whose shape depends on the task; called once, before training."""
        return None

    def prepare_for_teacher(self, *, feature_dim: int, writers: int) -> None:
        """Learn the size of a teacher's features, and how many writers it knows.

        Called once before `prepare`, where there is a teacher.
        """
        return None

    @abstractmethod
    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the loss, a scalar of the features' dtype, finite for finite input."""
