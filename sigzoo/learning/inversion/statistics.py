"""Batch statistics inside a network, measured by hooks on every BatchNorm2d as a batch passes."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from sigzoo.errors import UsageError
from sigzoo.learning.inversion.objective import statistics_distance

__all__ = ["StatisticsProbe"]


class StatisticsProbe:
    """Sums the distance of batch statistics from the running ones over a network's layers (R_feature).

    A context manager: outside the block the network is as it was.

    Parameters
    ----------
    network
        In evaluation mode.
    name
        What messages call it.
    first
        Factor on the layer that is computed first.

    Raises
    ------
    UsageError
        If the network has no BatchNorm2d with running statistics.
    """

    def __init__(self, network: nn.Module, name: str, first: float = 1.0) -> None:
        self._layers = [
            module
            for module in network.modules()
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
        ]
        if not self._layers:
            raise UsageError(
                f"{name} has no BatchNorm2d layer, whose running statistics are what an inversion goes by:"
                " there is nothing to tell noise from signatures. Choose a teacher that has them."
            )
        self._first, self._found = first, list[Tensor]()
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __len__(self) -> int:
        return len(self._layers)

    def __enter__(self) -> StatisticsProbe:
        self._handles = [layer.register_forward_pre_hook(self._measure) for layer in self._layers]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._found = [], []

    def take(self) -> Tensor:
        """The sum over the layers that computed since the last call; a scalar."""
        found, self._found = self._found, []
        return torch.stack(found).sum()

    def _measure(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(layer, nn.BatchNorm2d)
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None
        assert variance is not None
        distance = statistics_distance(inputs[0], mean, variance)
        self._found.append(distance if self._found else self._first * distance)
