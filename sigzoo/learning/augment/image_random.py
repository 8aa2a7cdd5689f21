"""Random numbers for augmentation: an independent stream for each image, whatever batch it is in."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ImageRandom"]

_STEP = np.uint64(0x9E3779B97F4A7C15)


class ImageRandom:
    """Random numbers of a batch, a stream an image.

    What an image draws depends on the seed, the epoch and the image alone: not on the batch, the
    number of processes or the device, and nothing has to be kept to go on after an interruption.
    The generator is counter-based, so that a batch draws in one numpy expression.

    References
    ----------
    Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014 (SplitMix64).
    """

    def __init__(self, streams: NDArray[np.uint64], device: torch.device | str = "cpu") -> None:
        self._streams, self._device = streams, torch.device(device)
        self._drawn = 0

    @classmethod
    def for_images(
        cls, seed: int, epoch: int, images: NDArray[np.int64], device: torch.device | str = "cpu"
    ) -> ImageRandom:
        """The streams of images, by their numbers, in an epoch; tensors come on `device`."""
        start = np.random.default_rng([seed, epoch]).integers(0, 2**64, dtype=np.uint64)
        return cls(_mix(images.astype(np.uint64) * _STEP + start), device)

    def __len__(self) -> int:
        return len(self._streams)

    def spawn(self, name: str) -> ImageRandom:
        """Streams of their own for one step, so that no step's draws move another's."""
        return ImageRandom(_mix(self._streams ^ np.uint64(crc32(name.encode()))), self._device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw float32 ``(N, *shape)`` from `low` to `high`."""
        values = low + (high - low) * self._unit(*shape)
        return torch.from_numpy(values.astype(np.float32)).to(self._device)

    def normal(self, *shape: int) -> Tensor:
        """Draw float32 ``(N, *shape)``, standard normal (Box and Muller)."""
        radius = np.sqrt(-2.0 * np.log1p(-self._unit(*shape)))
        values = radius * np.cos(2.0 * np.pi * self._unit(*shape))
        return torch.from_numpy(values.astype(np.float32)).to(self._device)

    def integers(self, below: int) -> Tensor:
        """Draw int64 ``(N,)`` from 0 to `below` - 1."""
        return torch.from_numpy((self._unit() * below).astype(np.int64)).to(self._device)

    def bernoulli(self, probability: float) -> Tensor:
        """Draw bool ``(N, 1, 1, 1)``, true with the given probability."""
        return self.uniform(0.0, 1.0, 1, 1, 1) < probability

    def _unit(self, *shape: int) -> NDArray[np.float64]:
        """Float64 ``(N, *shape)`` in [0, 1)."""
        count = int(np.prod(shape, dtype=np.int64))
        counter = np.arange(self._drawn + 1, self._drawn + 1 + count, dtype=np.uint64) * _STEP
        self._drawn += count
        bits = _mix(self._streams[:, None] + counter[None, :])
        unit: NDArray[np.float64] = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return unit.reshape(len(self._streams), *shape)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return result
