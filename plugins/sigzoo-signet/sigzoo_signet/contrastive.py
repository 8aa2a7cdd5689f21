"""The losses of contrastive_sigver: triplets with semi-hard mining, and NT-Xent."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from sigzoo.interfaces import Loss, TrainingBatch, UsageError

__all__ = ["NTXentLoss", "TripletLoss"]


class TripletLoss(Loss):
    """Triplet margin loss over the semi-hard triplets of a batch.

    Features are scaled to length 1. A triplet (anchor, positive of the same writer, negative of
    another) is semi-hard if its negative is farther than its positive, by no more than the
    margin. The loss is the mean of ``d(a, p) - d(a, n) + margin`` over those where that is
    positive, with Euclidean distances; 0 where a batch has none.

    Parameters
    ----------
    margin
        Positive; 0.1 in the publication.

    Raises
    ------
    UsageError
        If the margin is not positive.

    References
    ----------
    Schroff, Kalenichenko, Philbin, FaceNet, CVPR 2015; as contrastive_sigver uses it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "writers"})

    def __init__(self, *, margin: float = 0.1) -> None:
        super().__init__()
        if not margin > 0:
            raise UsageError(f"margin must be positive, got {margin!r}.")
        self.margin = float(margin)

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the mean over the violating triplets, a scalar of the features' dtype."""
        directions = functional.normalize(_precise(batch.features), dim=1)
        distances = torch.cdist(directions, directions, compute_mode="donot_use_mm_for_euclid_dist")
        positive, negative = _pairs(batch.writers)
        gaps = distances.unsqueeze(1) - distances.unsqueeze(2)  # [a, p, n]: d(a, n) - d(a, p)
        triplets = positive.unsqueeze(2) & negative.unsqueeze(1)
        hard = triplets & (gaps.detach() > 0) & (gaps.detach() < self.margin)
        if not bool(hard.any()):
            return (batch.features * 0).sum()
        return (self.margin - gaps[hard]).mean().to(batch.features.dtype)


class NTXentLoss(Loss):
    """Normalised temperature-scaled cross-entropy, every same-writer pair of a batch a positive.

    For each ordered pair (i, p) of one writer: ``-log(e_ip / (e_ip + sum over n of e_in))`` with
    ``e_ij = exp(cos(i, j) / temperature)`` and n the signatures of other writers; the mean over
    all pairs. 0 where a batch has no such pair, or one writer only.

    Parameters
    ----------
    temperature
        Positive; 0.01 in the publication.

    Raises
    ------
    UsageError
        If the temperature is not positive.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton, A Simple Framework for Contrastive Learning of Visual
    Representations, ICML 2020; as contrastive_sigver uses it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "writers"})

    def __init__(self, *, temperature: float = 0.01) -> None:
        super().__init__()
        if not temperature > 0:
            raise UsageError(f"temperature must be positive, got {temperature!r}.")
        self.temperature = float(temperature)

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the mean over the pairs of one writer, a scalar of the features' dtype."""
        positive, negative = _pairs(batch.writers)
        if not bool(positive.any()) or not bool(negative.any()):
            return (batch.features * 0).sum()
        directions = functional.normalize(_precise(batch.features), dim=1)
        similarity = directions @ directions.T / self.temperature
        others = similarity.masked_fill(~negative, -torch.inf).logsumexp(dim=1, keepdim=True)
        losses = torch.logaddexp(others - similarity, torch.zeros_like(similarity))
        return losses[positive].mean().to(batch.features.dtype)


def _precise(features: Tensor) -> Tensor:
    """Float64 where the device has it: small temperatures and margins magnify rounding."""
    return features.float() if features.device.type == "mps" else features.double()


def _pairs(writers: Tensor) -> tuple[Tensor, Tensor]:
    """Masks ``(N, N)`` of the pairs of one writer, an image with itself left out, and of two."""
    same = writers.unsqueeze(0) == writers.unsqueeze(1)
    itself = torch.eye(len(writers), dtype=torch.bool, device=writers.device)
    return same & ~itself, ~same
