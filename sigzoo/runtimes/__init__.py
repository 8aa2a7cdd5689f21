"""What runs a network: one small interface, a module for each runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UnknownNameError
from sigzoo.interfaces import Backbone

RUNTIMES = ("torch",)


class Runtime(Protocol):
    """A network, ready to run."""

    device: str

    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Compute layers of a batch: float32 ``(N, 1, h, w)`` in, name -> float32 ``(N, ...)`` out."""
        ...


def open_runtime(name: str, backbone: Backbone, device: str) -> Runtime:
    """Put a backbone on a runtime and device.

    Raises
    ------
    UnknownNameError
        If there is no such runtime.
    UsageError
        If the device is not there.
    """
    if name == "torch":
        from sigzoo.runtimes.torch import TorchRuntime

        return TorchRuntime(backbone, device)
    raise UnknownNameError("runtime", name, RUNTIMES)
