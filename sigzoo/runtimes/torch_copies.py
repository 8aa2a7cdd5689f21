"""Batches to a device and back: from pinned memory, beside the computing of the batch before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigzoo.interfaces.runtimes import Outputs

__all__ = ["fetching", "scaled"]


def scaled(images: NDArray[np.uint8], scale: float, device: torch.device) -> Tensor:
    """Images on a device, multiplied there: float32 ``(N, 1, h, w)``."""
    pixels = torch.from_numpy(images)
    if device.type == "cuda":
        # A stream of their own lets the copies run while the batch before is computed.
        stream = _copy_stream(device)
        with torch.cuda.stream(stream):
            pixels = pixels.pin_memory().to(device, non_blocking=True)
        current = torch.cuda.current_stream(device)
        current.wait_stream(stream)
        pixels.record_stream(current)
    return pixels.to(device, torch.float32).mul_(float(np.float32(scale)))


_copy_streams: dict[torch.device, Any] = {}


def _copy_stream(device: torch.device) -> Any:
    if device not in _copy_streams:
        _copy_streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _copy_streams[device]


def fetching(outputs: dict[str, Tensor], device: torch.device) -> Callable[[], Outputs]:
    """Begin to copy outputs off a device; the function waits for them and gives them as arrays."""
    outputs = {name: output.float().contiguous() for name, output in outputs.items()}
    if device.type != "cuda":
        found = {name: output.cpu().numpy() for name, output in outputs.items()}
        return lambda: found
    waiting = {
        name: torch.empty(output.shape, pin_memory=True).copy_(output, non_blocking=True)
        for name, output in outputs.items()
    }
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record(torch.cuda.current_stream(device))

    def fetch() -> Outputs:
        done.synchronize()
        # Copied: pinned memory is scarce, and features may be kept for long.
        return {name: output.numpy().copy() for name, output in waiting.items()}

    return fetch
