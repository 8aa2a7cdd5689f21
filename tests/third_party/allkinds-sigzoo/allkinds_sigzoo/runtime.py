"""PyTorch, and how often it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.interfaces import Backbone, Runtime, UsageError


class CountingRuntime(Runtime):
    """Runs on the CPU and counts its calls, over all objects."""

    calls: ClassVar[int] = 0

    def __init__(self, backbone: Backbone, *, device: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise UsageError(f"counting runs on the CPU alone, not on {device!r}.")
        self.device = "cpu"
        self.backbone = backbone.eval()

    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Count, and compute layers of a batch."""
        CountingRuntime.calls += 1
        with torch.inference_mode():
            found = self.backbone.forward_layers(torch.from_numpy(batch), layers)
        return {name: value.numpy().copy() for name, value in found.items()}
