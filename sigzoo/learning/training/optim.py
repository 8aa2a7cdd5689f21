"""Optimisers, the learning rate's schedule, and what is done to gradients before a step."""

from __future__ import annotations

from math import cos, pi

import torch
from torch import nn

from sigzoo.learning.training.settings import TrainingSettings

__all__ = ["build_optimiser", "clip_gradients", "rate_factor", "set_rate"]


def build_optimiser(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW, over all parameters, the loss's own included."""
    parameters = [each for each in network.parameters() if each.requires_grad]
    light = [] if settings.decay == "all" else [each for each in parameters if each.ndim < 2]
    spared = {id(each) for each in light}
    groups = [
        {
            "params": [each for each in parameters if id(each) not in spared],
            "weight_decay": settings.weight_decay,
        },
        {"params": light, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=settings.rate, momentum=settings.momentum, nesterov=True)
    return torch.optim.AdamW(groups, lr=settings.rate)


def rate_factor(settings: TrainingSettings, step: int, steps_an_epoch: int) -> float:
    """By what the highest learning rate is multiplied in a step; a function of the step alone.

    ``steps`` is sigver's: a tenth after every ``epochs // drops`` epochs, so that with 60 epochs and
    3 drops the rate falls after 20 and 40, and the third drop coincides with the end.

    Parameters
    ----------
    step
        From 0, counted over all epochs.
    """
    warm = settings.warmup * steps_an_epoch
    factor = min(1.0, (step + 1) / (warm + 1)) if warm else 1.0
    if settings.schedule == "steps":
        epoch = step // steps_an_epoch
        return factor * float(0.1 ** (epoch // max(1, settings.epochs // settings.drops)))
    if settings.schedule == "cosine" and step >= warm:
        whole = max(1.0, settings.epochs * steps_an_epoch - warm)
        return factor * 0.5 * (1.0 + cos(pi * min(1.0, (step - warm) / whole)))
    return factor


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def clip_gradients(network: nn.Module, settings: TrainingSettings) -> None:
    """Clip each entry of the gradients, then their common norm, as far as the settings say so."""
    if settings.clip_value is not None:
        nn.utils.clip_grad_value_(network.parameters(), settings.clip_value)
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
