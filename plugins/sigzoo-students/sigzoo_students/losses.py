"""Losses that the bundled models were trained with."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Loss, TrainingBatch, UsageError

__all__ = ["AdditiveMarginSoftmax", "VerificationLoss"]


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

    @torch.no_grad()
    def place_classes(self, features: Tensor, writers: Tensor) -> None:
        """Put each class's centre where its images are."""
        if self.centres is None:
            raise UsageError("am-softmax must be prepared with the number of writers before it is used.")
        sums = torch.zeros_like(self.centres).index_add_(0, writers, features.to(self.centres.dtype))
        self.centres.copy_(F.normalize(sums, dim=1))

    def export_heads(self) -> dict[str, dict[str, Tensor]]:
        """A writer head whose logits are this loss's scaled cosines, of features of length 1."""
        if self.centres is None:
            return {}
        weight = self.scale * F.normalize(self.centres.detach(), dim=1)
        return {"writer": {"weight": weight, "bias": weight.new_zeros(len(weight))}}

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


class VerificationLoss(Loss):
    """Cross-entropy of verification with one threshold for all writers, within a batch.

    What is measured is what is learnt: a signature's score is its mean cosine similarity to the other
    genuine signatures of the writer that it claims to be of, and one threshold, learnt with the
    network, decides. Similarity matrix and leave-one-out are those of L. Wan, Q. Wang, A. Papir, I. Lopez
    Moreno, *Generalized End-to-End Loss for Speaker Verification*, ICASSP 2018, equations 5 and 8
    (arXiv 1710.10467), with a logistic loss in place of theirs, so that all writers share the threshold.
    Genuine signatures, forgeries and other writers' signatures weigh alike, however many there are.

    Parameters
    ----------
    scale
        Factor on the score above the threshold.
    references
        Fewest other genuine signatures in the batch that a writer must have to be claimed.
    hardest
        Share of other writers' signatures that counts, those with the highest scores.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "writers", "forgery"})

    def __init__(self, *, scale: float = 12.0, references: int = 1, hardest: float = 0.02) -> None:
        super().__init__()
        if scale <= 0 or references < 1 or not 0 < hardest <= 1:
            raise UsageError(
                "scale must be above 0, references at least 1 and hardest above 0 and at most 1, got "
                f"{scale}, {references} and {hardest}."
            )
        self.scale, self.references, self.hardest = scale, references, hardest
        self.threshold = nn.Parameter(torch.tensor(0.5))

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the sum of the three kinds' mean losses; 0 where no writer has enough signatures."""
        features = F.normalize(batch.features, dim=1)
        genuine = torch.ones_like(batch.writers, dtype=torch.bool)
        if batch.forgery is not None:
            genuine = batch.forgery < 0.5
        names, claimed = torch.unique(batch.writers, return_inverse=True)
        claims = F.one_hot(claimed, len(names)).bool()
        own = claims & genuine[:, None]
        claims, own = (each[:, own.sum(dim=0) > self.references] for each in (claims, own))
        members = own.to(features.dtype)
        similarity = features @ (features.T @ members) - members  # a signature's to itself is 1
        score = similarity / (members.sum(dim=0) - members).clamp(min=1.0)
        above = self.scale * (score - self.threshold)
        others = F.softplus(above[~claims & genuine[:, None]])
        kinds = [
            F.softplus(-above[own]),
            F.softplus(above[claims & ~genuine[:, None]]),
            others.topk(math.ceil(self.hardest * others.numel())).values,
        ]
        return sum((each.mean() for each in kinds if each.numel()), features.sum() * 0.0)
