"""The reference runtime: PyTorch, eager, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.errors import UsageError
from sigzoo.interfaces import Backbone, Runtime


class TorchRuntime(Runtime):
    """Runs a backbone in evaluation mode, without gradients."""

    def __init__(self, backbone: Backbone, *, device: str = "auto") -> None:
        """Move `backbone` to `device`: ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ...

        Raises
        ------
        UsageError
            If there is no such device.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.backbone = backbone.eval().to(device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"The device {device!r} cannot be used: {reason}. Try device='cpu'.") from error
        self.device = device

    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Compute layers of a batch: float32 ``(N, 1, h, w)`` in, name -> float32 ``(N, ...)`` out."""
        with torch.inference_mode():
            outputs = self.backbone.forward_layers(torch.from_numpy(batch).to(self.device), layers)
            return {name: output.float().cpu().numpy() for name, output in outputs.items()}
