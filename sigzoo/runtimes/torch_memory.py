"""How many images a GPU's memory holds at once: from what a few of them take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.interfaces.images import Size

__all__ = ["BatchSizes", "CudaMeter", "MemoryMeter"]

MOST = 512
"""More images at once make no GPU faster, and wait longer for the last of them."""

_TRIED = 8
_SHARE = 0.4
"""Of the free memory: a batch is copied while another is computed, and others use the GPU, too."""


class MemoryMeter(Protocol):
    """The memory of a device."""

    def free(self) -> int:
        """Bytes that can be had."""

    def taken(self, work: Callable[[], object]) -> int:
        """Most bytes that some work takes beside what is taken already."""


class CudaMeter:
    """The memory of a GPU, as torch knows it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free(self) -> int:
        """Bytes that the driver has, and those that torch keeps for later."""
        kept = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return int(torch.cuda.mem_get_info(self._device)[0]) + kept

    def taken(self, work: Callable[[], object]) -> int:
        """Most bytes that some work takes beside what is taken already."""
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        work()
        torch.cuda.synchronize(self._device)
        return int(torch.cuda.max_memory_allocated(self._device)) - before


class BatchSizes:
    """Batch sizes of one network on one device, each measured once for a size of image.

    Parameters
    ----------
    meter
        The device's memory.
    run
        Computes uint8 images ``(n, 1, h, w)``.
    """

    def __init__(self, meter: MemoryMeter, run: Callable[[NDArray[np.uint8]], object]) -> None:
        self._meter, self._run = meter, run
        self._found: dict[Size, int] = {}
        self._lock = threading.Lock()

    def most(self, size: Size) -> int:
        """Images of a size ``(h, w)`` that fit: a power of two from 1 to `MOST`."""
        with self._lock:
            if size not in self._found:
                self._found[size] = self._measured(size)
            return self._found[size]

    def _measured(self, size: Size) -> int:
        images = np.zeros((_TRIED, 1, *size), np.uint8)
        self._run(images[:1])  # what is made at the first run only is no image's
        one = self._taken(images[:1])
        # Where a few do not fit one may: of SigNet-SPP's pages, say.
        each = max(one, self._taken(images) // _TRIED) if _TRIED * one <= self._meter.free() else one
        fitting = int(_SHARE * self._meter.free()) // max(1, each)
        return 1 << (min(MOST, max(1, fitting)).bit_length() - 1)

    def _taken(self, images: NDArray[np.uint8]) -> int:
        return self._meter.taken(lambda: self._run(images))
