"""The interface of a loss, and the batch of training quantities that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
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

    layers: Mapping[str, Tensor] = field(default_factory=dict)
    """float, first axis N: outputs of the backbone's layers that the loss taps (see `Loss.layers`)."""

    labels: Mapping[str, Tensor] = field(default_factory=dict)
    """int64 ``(N,)``: labels of the data source that the loss reads (see `Loss.labels`)."""


class Loss(nn.Module, ABC):
    """One number to minimise, from a batch of training quantities.

    The training loop knows no loss by name: it provides what `needs` declares, calls `prepare`
    once, and trains the loss's own parameters (a margin head's centres, say) with the network's.
    """

    needs: ClassVar[frozenset[str]]
    """Fields of `TrainingBatch` that must be present, other than `layers` and `labels`; also decides
    which heads are built."""

    layers: tuple[str, ...] = ()
    """The backbone's layers whose outputs it reads in `TrainingBatch.layers`. A loss that reads nothing
    but `features` names none: the settings of a run say from which layer it takes them."""

    labels: tuple[str, ...] = ()
    """The data source's labels that it reads in `TrainingBatch.labels`."""

    def prepare_for_data(self, *, layers: Mapping[str, tuple[int, ...]], labels: Mapping[str, int]) -> None:
        """Learn the shapes of what it taps; called once before `prepare`, where it taps or reads any.

        Parameters
        ----------
        layers
            Of each of `layers` the shape of its output for one image, without the axis N.
        labels
            Of each of `labels` how many values it has: they are numbered from 0.
        """
        return None

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        """Build parameters whose shape depends on the task; called once, before training.

        Parameters
        ----------
        feature_dim
            Size of the features.
        writers
            Of the training, whose labels run from 0.
        """
        return None

    def prepare_for_teacher(self, *, feature_dim: int, writers: int) -> None:
        """Learn the size of a teacher's features, and how many writers it knows.

        Called once before `prepare`, where there is a teacher.

        Parameters
        ----------
        feature_dim
            Size of the teacher's features.
        writers
            Outputs of the teacher's writer head.
        """
        return None

    @abstractmethod
    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the loss, a scalar of the features' dtype, finite for finite input.

        Parameters
        ----------
        batch
            The fields that `needs` names, each ``(N, ...)``.

        Returns
        -------
        Tensor
            A single number, the mean over the batch.
        """

    def place_classes(self, features: Tensor, writers: Tensor) -> None:
        """Begin where the classes are; called before the first step where a run goes on from weights.

        Parameters
        ----------
        features
            float32 ``(N, D)`` of all signatures that are trained on, by the network as it begins.
        writers
            int64 ``(N,)``: their classes, as batches will have them.
        """
        return None

    def export_heads(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Linear layers to keep with the weights, by name: ``{"writer": {"weight": ..., "bias": ...}}``.

        A loss that has classes of its own, such as centres, may offer them as a writer head:
        float32 ``weight`` ``(W, D)`` over the features that it is given, and ``bias`` ``(W,)``.
        """
        return {}
