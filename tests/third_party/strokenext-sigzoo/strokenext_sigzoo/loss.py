"""Centre loss (Wen et al. 2016): the squared distance of features to a learnt centre of their writer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from sigzoo.interfaces import Loss, TrainingBatch


class CentreLoss(Loss):
    """Half the mean squared distance to the writers' centres."""

    needs: ClassVar[frozenset[str]] = frozenset({"features", "writers"})

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        self.centres = nn.Parameter(torch.randn(writers, feature_dim))

    def forward(self, batch: TrainingBatch) -> Tensor:
        return (batch.features - self.centres[batch.writers]).square().sum(1).mean() / 2
