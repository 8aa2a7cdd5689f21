"""Optimisers, what they are told before a step, and what is done to gradients."""

from __future__ import annotations

import torch
from torch import nn

from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.schedule import Step
from sigzoo.settings.training_settings import TrainingSettings

__all__ = ["build_optimiser", "clip_gradients", "set_step"]

_BETAS = (0.9, 0.999)


def build_optimiser(network: TrainedNetwork, settings: TrainingSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW, over all parameters, the losses' own included."""
    parameters = [each for each in network.parameters() if each.requires_grad]
    light = [] if settings.weight_decay_on == "all" else [each for each in parameters if each.ndim < 2]
    if settings.weight_decay_on == "network":
        light += [each for each in network.objective.parameters() if each.requires_grad and each.ndim >= 2]
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
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=_BETAS)


def set_step(optimiser: torch.optim.Optimizer, step: Step, settings: TrainingSettings) -> None:
    """Set learning rate and momentum of the next step; at the beginning of a cycle forget earlier steps."""
    if step.restart:
        optimiser.state.clear()
    for group in optimiser.param_groups:
        group["lr"] = step.learning_rate
        if settings.optimiser == "sgd":
            group["momentum"] = settings.momentum if step.momentum is None else step.momentum
        else:
            group["betas"] = (_BETAS[0] if step.momentum is None else step.momentum, _BETAS[1])


def clip_gradients(network: nn.Module, settings: TrainingSettings) -> None:
    """Clip each entry of the gradients, then their common norm, as far as the settings say so."""
    if settings.clip_value is not None:
        nn.utils.clip_grad_value_(network.parameters(), settings.clip_value)
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
