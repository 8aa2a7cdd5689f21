"""Losses that the bundled models were trained with."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Loss, TrainingBatch, UsageError

__all__ = ["AdditiveMarginSoftmax"]


class AdditiveMarginSoftmax(Loss):
    """Cross-entropy over cosines, the right class's lowered by a margin.

    F. Wang, J. Cheng, W. Liu, H. Liu, *Additive Margin Softmax for Face Verification*, IEEE Signal
    Processing Letters 25, 2018, equation 6 (arXiv 1801.05599). The classes are the writers; a
    training set may give the forgeries of a writer a class of their own.

    Parameters
    ----------
    scale
        Factor on the cosines; more lets the loss come nearer to 0.
    margin
        By how much the right cosine must exceed the others.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "writers"})

    def __init__(self, *, scale: float = 24.0, margin: float = 0.3) -> None:
        super().__init__()
        if scale <= 0 or margin < 0:
            raise UsageError(f"scale must be above 0 and margin at least 0, got {scale} and {margin}.")
        self.scale, self.margin = scale, margin
        self.centres: nn.Parameter | None = None

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        """Build one centre for each writer, ``(writers, feature_dim)``."""
        if feature_dim < 1 or writers < 1:
            raise UsageError(f"am-softmax needs features and writers, got {feature_dim} and {writers}.")
        self.centres = nn.Parameter(torch.empty(writers, feature_dim))
        nn.init.xavier_uniform_(self.centres)

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the mean loss of the batch.

        Raises
        ------
        UsageError
            If `prepare` was not called.
        """
        if self.centres is None:
            raise UsageError("am-softmax must be prepared with the number of writers before it is used.")
        centres = F.normalize(self.centres, dim=1).to(batch.features.dtype)
        cosine = F.normalize(batch.features, dim=1) @ centres.T
        right = batch.writers[:, None]
        lowered = cosine.scatter_add(1, right, torch.full_like(right, -self.margin, dtype=cosine.dtype))
        return F.cross_entropy(self.scale * lowered, batch.writers)
