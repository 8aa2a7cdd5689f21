"""The terms of the objective, each a function of a batch; what to add up is the optimiser's matter.

The terms are those of Yin et al., *Dreaming to Distill*, CVPR 2020 (arXiv 1912.08795): the
classification loss, the priors R_TV and R_l2, R_feature, and R_compete of Adaptive DeepInversion.
"""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name)

__all__ = [
    "competition",
    "cross_entropy",
    "image_norm",
    "jensen_shannon",
    "statistics_distance",
    "total_variation_l1",
    "total_variation_l2",
]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the teacher's output against the wanted writers: the loss L(x, y).

    Parameters
    ----------
    logits
        float ``(N, W)``.
    labels
        int64 ``(N,)``.

    Returns
    -------
    scalar: the mean over the images.
    """
    return F.cross_entropy(logits, labels)


def total_variation_l1(images: Tensor) -> Tensor:
    """Total variation, l1 form of R_TV: mean absolute difference of neighbours.

    Parameters
    ----------
    images
        float ``(N, 1, h, w)``.

    Returns
    -------
    scalar: the sum over the four directions (right, down, both diagonals) of the mean.
    """
    return torch.stack([each.abs().mean() for each in _differences(images)]).sum()


def total_variation_l2(images: Tensor) -> Tensor:
    """Total variation, l2 form of R_TV: length of the vector of an image's differences of neighbours.

    The published code takes one norm over the whole batch; here it is the mean of the images'
    norms, so that a weight does not depend on the size of the batch.

    Parameters
    ----------
    images
        float ``(N, 1, h, w)``.

    Returns
    -------
    scalar: the sum over the four directions (right, down, both diagonals) of the mean over images.
    """
    return torch.stack([image_norm(each) for each in _differences(images)]).sum()


def image_norm(images: Tensor) -> Tensor:
    """R_l2: Euclidean norm of an image, mean over the batch.

    Parameters
    ----------
    images
        float ``(N, ...)``.

    Returns
    -------
    scalar.
    """
    norm: Tensor = torch.linalg.vector_norm(images.flatten(1), dim=1).mean()
    return norm


def statistics_distance(inputs: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """One layer's part of R_feature: distance of a batch's statistics from the running ones.

    ``||mean(x) - mean||_2 + ||var(x) - variance||_2``, the variance without Bessel's correction,
    over batch and places.

    Parameters
    ----------
    inputs
        float ``(N, C, h, w)``: what enters a batch normalisation.
    mean, variance
        float ``(C,)``: its running statistics, whose precision the computation takes.

    Returns
    -------
    scalar.
    """
    shift, own_variance = _Moments.apply(inputs, mean)  # type: ignore[no-untyped-call]
    distance: Tensor = torch.linalg.vector_norm(shift) + torch.linalg.vector_norm(own_variance - variance)
    return distance


def jensen_shannon(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """Jensen-Shannon divergence of two softmax outputs, mean over the images; between 0 and ln 2.

    ``JS = (KL(p || m) + KL(q || m)) / 2`` with ``m = (p + q) / 2`` and natural logarithms.

    Parameters
    ----------
    teacher, student
        float ``(N, W)``: logits.
    temperature
        What both are divided by.

    Returns
    -------
    scalar.
    """
    log_p, log_q = (F.log_softmax(each / temperature, dim=1) for each in (teacher, student))
    log_m = torch.logaddexp(log_p, log_q) - log(2.0)
    both = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    return 0.5 * both.sum(dim=1).mean()


def competition(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """R_compete: 1 - JS(teacher, student), least where the two disagree; see `jensen_shannon`.

    The published code cuts probabilities off at 0.01 and 0.99; here they are exact.
    """
    return 1.0 - jensen_shannon(teacher, student, temperature)


class _Moments(torch.autograd.Function):
    """Mean, less a given one, and variance of each channel of ``(N, C, h, w)``.

    `torch.var_mean` takes 50 times as long on a CPU, and its gradient five passes where one does.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Return both, ``(C,)``; around the given mean, so that the square loses no digits."""
        centred = x.to(mean.dtype) - mean[:, None, None]
        shift = centred.mean(dim=(0, 2, 3))
        ctx.save_for_backward(x, mean + shift)
        return shift, centred.square_().mean(dim=(0, 2, 3)) - shift.square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Gradient for `x`: linear in it, channel by channel."""
        x, own_mean = ctx.saved_tensors
        by_mean, by_variance = (each / (x.numel() // x.shape[1]) for each in gradients)
        slope = 2.0 * by_variance
        offset = by_mean - slope * own_mean
        found = torch.addcmul(offset[:, None, None], x.to(slope.dtype), slope[:, None, None])
        return found.to(x.dtype), None


def _differences(images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Differences of neighbours: right, down, and along the two diagonals."""
    return (
        images[..., :, :-1] - images[..., :, 1:],
        images[..., :-1, :] - images[..., 1:, :],
        images[..., 1:, :-1] - images[..., :-1, 1:],
        images[..., :-1, :-1] - images[..., 1:, 1:],
    )
