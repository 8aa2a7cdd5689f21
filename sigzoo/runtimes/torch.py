"""The reference runtime: PyTorch, eager, on the CPU or a GPU."""

from __future__ import annotations

import os
import threading
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
        self.parallel_calls = torch.device(device).type == "cpu"
        self._evaluation = _Evaluation()

    def on_one_core(self) -> AbstractContextManager[object]:
        """Compute with one thread of torch in the block, whatever number other threads use."""
        return _one_thread() if self.parallel_calls else nullcontext()

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
        with torch.inference_mode(), self._evaluation.of(self.backbone), _true_float32(device):
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


class _Evaluation:
    """Evaluation mode while any thread computes; afterwards each part of the network has the mode it had."""

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._training: list[nn.Module] = []

    @contextmanager
    def of(self, network: nn.Module) -> Iterator[None]:
        """Evaluation mode in the block."""
        with self._lock:
            self._users += 1
            if training := [each for each in network.modules() if each.training]:
                self._training += training
                network.eval()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    for each in self._training:
                        each.training = True
                    self._training.clear()


_set_threads = threading.Lock()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread in the block, in this thread of Python alone.

    How many threads torch computes with is kept once for each thread of Python (OpenMP's), and once for
    threads that have not computed yet. `torch.set_num_threads` sets both: the second is set back by a
    thread that does nothing else.
    """
    with _set_threads:
        before = torch.get_num_threads()  # also tells torch that this thread has computed
        torch.set_num_threads(1)
        other = threading.Thread(target=torch.set_num_threads, args=(before,), daemon=True)
        other.start()
        other.join()
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
