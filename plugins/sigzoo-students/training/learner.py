"""Steps of training, and passes of them: cycles of the learning rate, then weights that are averaged."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from augment import augment
from batches import Batch
from objective import Objective
from sigzoo_students.losses import AdditiveMarginSoftmax
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, update_bn

from sigzoo.interfaces import Backbone

WARM = 100
"""Steps in which the constant rate is reached, at most; after twice as many the weights are averaged."""
NORMALISING = 60
"""Batches from which averaged weights take the statistics of their normalisation."""
Pass = tuple[float, Backbone, AdditiveMarginSoftmax]
"""Mean loss of a pass over the families, and network and classes to use after it."""


class Learner:
    """What a step of training needs beside its optimiser."""

    def __init__(
        self, model: Backbone, objective: Objective, images: Tensor, seed: int, device: torch.device
    ) -> None:
        self.model, self.objective, self.learnt = model, objective, nn.ModuleList([model, objective])
        self._images, self._device = images, device
        self._generator = torch.Generator().manual_seed(seed)

    def optimiser(self, rate: float) -> torch.optim.Optimizer:
        """AdamW that decays matrices and kernels alone."""
        plain = [p for p in self.model.parameters() if p.ndim == 1]
        heavy = [p for p in self.model.parameters() if p.ndim > 1]
        groups = [
            {"params": heavy, "weight_decay": 0.02},
            {"params": [*plain, *self.objective.parameters()], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate)

    def images(self, places: np.ndarray) -> Tensor:
        """Augmented images at these places, ``(N, 1, h + 3, w)``."""
        x = self._images[torch.from_numpy(places)].to(self._device).unsqueeze(1).float().div_(255.0)
        picture, levels = x[:, :, :-3], x[:, :, -3:]
        augmented = torch.cat([augment(picture, self._generator), levels], dim=2)
        return augmented.contiguous(memory_format=torch.channels_last)

    def learn(
        self,
        epoch: list[Batch],
        optimiser: torch.optim.Optimizer,
        schedule: LRScheduler,
        average: AveragedModel | None = None,
        first: int = 0,
    ) -> float:
        """Pass over the batches of an epoch; returns the mean loss.

        Averages the weights after each step from number `first` of the schedule on.
        """
        self.model.train()
        total, seen, began = 0.0, 0, time.perf_counter()
        for step, (part, places) in enumerate(epoch, 1):
            value = self._loss(part, places)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            schedule.step()
            if average is not None and schedule.last_epoch > first:
                average.update_parameters(self.learnt)
            total, seen = total + float(value.detach()), seen + len(places)
            if step % 100 == 0:
                speed = seen / (time.perf_counter() - began)
                print(
                    f"  step {step} of {len(epoch)}, loss {total / step:.3f}, {speed:.0f} images/s",
                    flush=True,
                )
        return total / len(epoch)

    def _loss(self, part: int | None, places: np.ndarray) -> Tensor:
        x = self.images(places)
        with torch.autocast(self._device.type, torch.bfloat16):
            embedding = self.model.forward_layers(x, ["embedding"])["embedding"].float()
        picture, levels = x[:, :, :-3], x[:, :, -3:]
        features = self.model.ink(self.model.directions(embedding, picture), levels, picture)
        value: Tensor = self.objective(embedding, features, part, torch.from_numpy(places))
        return value


def passes(
    learner: Learner,
    cycles: Sequence[Sequence[list[Batch]]],
    rate: float,
    steady: Sequence[list[Batch]],
    steady_rate: float,
) -> Iterator[Pass]:
    """Train epoch by epoch: first in cycles of the learning rate, then at a constant one."""
    for epochs in cycles:
        yield from _cycle(learner, epochs, rate)
    if steady:
        yield from _averaged(learner, steady, steady_rate)


def _cycle(learner: Learner, epochs: Sequence[list[Batch]], rate: float) -> Iterator[Pass]:
    """Train along one cycle of the learning rate, from and to nearly 0."""
    optimiser = learner.optimiser(rate)
    schedule = OneCycleLR(optimiser, rate, total_steps=sum(map(len, epochs)) + 1, pct_start=0.08)
    for epoch in epochs:
        mean = learner.learn(epoch, optimiser, schedule)
        yield mean, learner.model, learner.objective.classes


def _averaged(learner: Learner, epochs: Sequence[list[Batch]], rate: float) -> Iterator[Pass]:
    """Train at a constant rate, and average the weights of every step once it is reached.

    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, *Averaging Weights Leads to Wider Optima and Better
    Generalization*, UAI 2018; every step's, as Cha et al., *SWAD*, NeurIPS 2021.
    """
    optimiser = learner.optimiser(rate)
    warm = max(1, min(WARM, sum(map(len, epochs)) // 8))
    schedule = LinearLR(optimiser, 0.01, total_iters=warm)
    average = AveragedModel(learner.learnt)
    network, objective = average.module
    for epoch in epochs:
        mean = learner.learn(epoch, optimiser, schedule, average, first=2 * warm)
        update_bn((learner.images(places) for _, places in epoch[:NORMALISING]), network)
        yield mean, network, objective.classes
