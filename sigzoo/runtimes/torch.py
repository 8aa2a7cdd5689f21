"""The reference runtime: PyTorch, eager, on the CPU or a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigzoo.errors import UsageError
from sigzoo.interfaces import Backbone, Runtime


class TorchRuntime(Runtime):
    """Runs a backbone in evaluation mode, without gradients, wherever the backbone is."""

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
        """Compute layers of a batch: float32 ``(N, 1, h, w)`` in, name -> float32 ``(N, ...)`` out.

        A backbone that was moved, or brought to another precision, by hand is run where and as it is; one
        that was left in training mode is run in evaluation mode, and keeps its mode and statistics.

        Raises
        ------
        UsageError
            If the backbone cannot compute in its present precision there, or its parts are on several
            devices.
        """
        device, dtype = _place(self.backbone)
        with torch.inference_mode(), _evaluating(self.backbone), _true_float32(device):
            pixels = torch.from_numpy(batch).to(device, dtype)
            try:
                outputs = self.backbone.forward_layers(pixels, layers)
            except RuntimeError as error:
                if (device, dtype) == (torch.device(self.device), torch.float32):
                    raise  # nobody has changed the backbone: this is a fault of its own
                reason = str(error).splitlines()[0]
                raise UsageError(
                    f"The backbone cannot be run as it is now, {dtype} on {device}: {reason}. Bring all of it"
                    f" to one device and precision, for instance by `model.to({self.device!r})`."
                ) from error
            return {name: output.float().cpu().numpy() for name, output in outputs.items()}


def _place(backbone: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a network is, and in what precision: those of its first floating-point parameter."""
    for each in backbone.parameters():
        if each.is_floating_point():
            return each.device, each.dtype
    return torch.device("cpu"), torch.float32


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode in the block; afterwards each part has the mode that it had."""
    training = [each for each in network.modules() if each.training]
    if not training:
        yield
        return
    network.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True


def _true_float32(device: torch.device) -> AbstractContextManager[object]:
    """Compute float32 as float32: cuDNN rounds to 10 bits of mantissa (TF32) where nobody says otherwise.

    Features of SigNet deviated by 5.6e-4 from the CPU's with TF32, by 1.4e-6 without.
    """
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def _after_fork() -> None:
    """Compute with one thread in a forked child: the parent's other threads of torch are not in it.

    Without this the first parallel operation waits for them for ever.
    """
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
