"""The learning rate of every step: a function of the step alone, so that a resumed run has the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi

import numpy as np

from sigzoo.settings.training_settings import TrainingSettings

__all__ = ["Schedule", "Step"]

_RISING = 0.08
"""Share of a cycle in which the rate rises."""
_START, _END = 25.0, 1e4
"""The rate at the start of a cycle is the highest by the first, at its end that by the second."""
_MOMENTUM = (0.95, 0.85)
"""The momentum (AdamW's first beta) falls from the first to the second while the rate rises, and back."""
_WARM = 100
"""Most steps in which the constant rate of the averaged epochs is reached."""


@dataclass(frozen=True)
class Step:
    """What one step of the optimiser is told."""

    learning_rate: float
    momentum: float | None = None
    """AdamW's first beta, or SGD's momentum; `None` for that of the settings."""
    restart: bool = False
    """Whether the optimiser forgets what it knows of earlier steps: a cycle begins."""
    averaged: bool = False
    """Whether the weights after the step count in the average."""


class Schedule:
    """From a step to its learning rate.

    Parameters
    ----------
    settings
        The kind of schedule.
    lengths
        Steps of every epoch.
    """

    def __init__(self, settings: TrainingSettings, lengths: Sequence[int]) -> None:
        self._settings, self._lengths = settings, tuple(lengths)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._phases: list[tuple[int, int]] = []
        """First step, and steps, of every cycle."""
        first = 0
        for epochs in settings.cycle_lengths() if settings.schedule == "one-cycle" else ():
            self._phases.append((int(self._starts[first]), sum(self._lengths[first : first + epochs])))
            first += epochs
        self.first_averaged = settings.epochs - settings.averaged_epochs + 1
        """The first epoch whose weights are averaged, from 1; beyond the last where none is."""

    def at(self, epoch: int, index: int) -> Step:
        """What holds in step `index` of an epoch; epochs count from 1, steps from 0."""
        settings, step = self._settings, int(self._starts[epoch - 1]) + index
        if epoch >= self.first_averaged:
            return self._constant(step)
        if settings.schedule == "one-cycle":
            first, count = next(each for each in reversed(self._phases) if each[0] <= step)
            factor, momentum = _one_cycle(step - first, count + 1)
            return Step(settings.learning_rate * factor, momentum, restart=step == first)
        return Step(settings.learning_rate * self._factor(epoch, step))

    def _constant(self, step: int) -> Step:
        """The averaged epochs: a constant rate, reached in the first steps; twice as many do not count."""
        first = int(self._starts[self.first_averaged - 1])
        step, total = step - first, int(self._starts[-1]) - first
        warm = max(1, min(_WARM, total // 8))
        factor = 0.01 + 0.99 * min(step, warm) / warm
        rate = self._settings.averaged_rate
        return Step(rate * factor, restart=step == 0, averaged=step + 1 > 2 * warm)

    def _factor(self, epoch: int, step: int) -> float:
        """By what the highest rate is multiplied.

        ``steps`` is sigver's: a tenth after every ``epochs // lr_steps`` epochs, so that with 60 epochs and
        3 steps the rate falls after 20 and 40, and the third time coincides with the end.
        """
        settings, last = self._settings, self._settings.epochs - self._settings.averaged_epochs
        warm = settings.warmup * self._lengths[0]
        factor = min(1.0, (step + 1) / (warm + 1)) if warm else 1.0
        if settings.schedule == "steps":
            return factor * float(0.1 ** ((epoch - 1) // max(1, last // settings.lr_steps)))
        if settings.schedule == "cosine" and step >= warm:
            whole = max(1.0, float(self._starts[last]) - warm)
            return factor * 0.5 * (1.0 + cos(pi * min(1.0, (step - warm) / whole)))
        return factor


def _one_cycle(step: int, total: int) -> tuple[float, float]:
    """Factor of the rate, and momentum, in a step of a cycle of `total`: two halves of cosines.

    Smith, Topin, *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates*, 2019
    (arXiv 1708.07120), as `torch.optim.lr_scheduler.OneCycleLR` computes it.
    """
    top, last = _RISING * total - 1.0, total - 1.0
    low, end, (calm, quick) = 1.0 / _START, 1.0 / (_START * _END), _MOMENTUM
    if step <= top:
        share = step / top
        return _between(low, 1.0, share), _between(calm, quick, share)
    share = (step - top) / (last - top)
    return _between(1.0, end, share), _between(quick, calm, share)


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) / 2.0 * (1.0 + cos(pi * share))
