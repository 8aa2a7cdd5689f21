"""Averaged weights: the mean of those after every step at a constant learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from sigzoo.learning.training.network import TrainedNetwork

__all__ = ["WeightAverage"]

_NORMALISING = 60
"""Batches from which averaged weights take the statistics of their normalisation."""


class WeightAverage:
    """The mean of a network's weights over steps, the losses' own parameters included.

    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, *Averaging Weights Leads to Wider Optima and Better
    Generalization*, UAI 2018; every step's, as Cha et al., *SWAD*, NeurIPS 2021.

    Parameters
    ----------
    network
        What is trained; before the first `update` the average is what it is now.
    """

    def __init__(self, network: TrainedNetwork) -> None:
        self._trained = nn.ModuleDict(network.parts())
        self._average = AveragedModel(self._trained)
        averaged = self._average.module
        assert isinstance(averaged, nn.ModuleDict)
        self.network = network.with_parts(dict(averaged.items()))
        """The same network with the averaged weights."""

    def update(self) -> None:
        """Let the weights as they are now count."""
        self._average.update_parameters(self._trained)

    def normalise(self, batches: Iterable[Tensor]) -> None:
        """Take the statistics of batch normalisation from some batches of network input ``(n, 1, h, w)``."""
        with torch.no_grad():
            update_bn(islice(batches, _NORMALISING), self.network.backbone)

    def state_dict(self) -> dict[str, Any]:
        """All weights, and how many steps count."""
        return self._average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._average.load_state_dict(state)
