"""The training loop: epochs of steps, the same for every backbone and every loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sigzoo.errors import SigzooError
from sigzoo.learning.augment import ImageRandom, augment, random_crop
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.data.splits import epoch_batches
from sigzoo.learning.training.distributed import Group
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.optim import build_optimiser, clip_gradients, rate_factor, set_rate
from sigzoo.learning.training.settings import TrainingSettings

__all__ = ["Batches", "DivergedError", "Trainer", "shuffled"]

Batches = Callable[[int], list[NDArray[np.int64]]]
"""From an epoch, numbered from 1, to its batches: indices of signatures, of one length."""


class DivergedError(SigzooError):
    """A loss or parameters that are no longer finite; the last good checkpoint is kept."""


class Trainer:
    """A network with its optimiser; trains one epoch at a time.

    Every random number follows from the seed, the epoch and the image, none from what was before,
    so that a run that is resumed takes the very steps of one that was never interrupted.

    Parameters
    ----------
    network
        On `group`'s device already, the same in every process.
    data
        The signatures.
    batches
        Which of them an epoch takes, in what order. Each process takes an equal part of a batch: the
        first one its first part, and so on.
    transform
        How images become input.
    settings, group
        What to do, and with whom.
    """

    def __init__(
        self,
        network: TrainedNetwork,
        data: ImageSet,
        batches: Batches,
        transform: InputTransform,
        settings: TrainingSettings,
        group: Group,
    ) -> None:
        self.network, self.group = network, group
        self._data, self._batches, self._input, self._settings = data, batches, transform, settings
        self.optimiser = build_optimiser(network, settings)
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=settings.precision == "float16")
        self._module: nn.Module = network
        if group.size > 1:
            # A loss may leave a head out of some batches, which only this option allows.
            self._module = DistributedDataParallel(network, find_unused_parameters=True)
        self.steps = len(self._batches(1))

    def epoch(self, number: int, done: Callable[[int], object]) -> tuple[float, float]:
        """Train epoch `number`, from 1; return its mean loss and last learning rate.

        Raises
        ------
        DivergedError
            If the loss or the parameters become NaN or infinite.
        """
        settings, total, rate = self._settings, 0.0, 0.0
        # Dropout and the like, in a plugin's network.
        torch.manual_seed(_process_seed(settings.seed, number, self.group.rank))
        self._module.train()
        for index, batch in enumerate(self._batches(number)):
            step = (number - 1) * self.steps + index
            rate = settings.rate * rate_factor(settings, step, self.steps)
            set_rate(self.optimiser, rate)
            loss = self.group.mean(self._step(self._share(batch), number))
            if not np.isfinite(loss):
                raise DivergedError(f"The loss became {loss} in step {index + 1} of epoch {number}.")
            total += loss
            done(1)
        if not all(bool(torch.isfinite(each).all()) for each in self.network.parameters()):
            raise DivergedError(f"The parameters became NaN or infinite in epoch {number}.")
        return total / self.steps, rate

    def close(self) -> None:
        """Let go of what shares the gradients: it must not outlive the processes' session."""
        self._module = self.network

    def _step(self, batch: NDArray[np.int64], epoch: int) -> Tensor:
        """One step of the optimiser; the loss of this process's share of the batch."""
        device = self.group.device
        pixels = self.pixels(batch, epoch)
        writers = torch.from_numpy(self._data.writers[batch]).to(device)
        forged = torch.from_numpy(self._data.forged[batch]).to(device, torch.float32)
        self.optimiser.zero_grad(set_to_none=True)
        signatures = torch.from_numpy(batch).to(device)
        loss: Tensor = self._module(pixels, writers, forged, signatures)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        clip_gradients(self.network, self._settings)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss.detach()

    def pixels(self, batch: NDArray[np.int64], epoch: int) -> Tensor:
        """Training images, augmented and cropped: float32 ``(N, 1, h, w)``, 0 to the input's `white`."""
        settings, device, white = self._settings, self.group.device, self._input.white
        pixels = self._input.pixels(self._data, batch, device)
        rng = ImageRandom.for_images(settings.seed, epoch, batch, device)
        if settings.augment:
            pixels = white * augment(pixels / white, rng, settings.augment, settings.strength)
        if self._input.crop is not None:
            pixels = random_crop(pixels, self._input.crop, rng.spawn("crop"))
        return pixels

    def _share(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        count = len(batch) // self.group.size
        return batch[self.group.rank * count : (self.group.rank + 1) * count]


def shuffled(
    indices: NDArray[np.int64], writers: NDArray[np.int64], settings: TrainingSettings, processes: int
) -> Batches:
    """Batches of some signatures, in another order in every epoch; see `epoch_batches`."""

    def batches(epoch: int) -> list[NDArray[np.int64]]:
        return epoch_batches(
            indices,
            writers,
            size=settings.batch_size,
            per_writer=settings.per_writer,
            seed=settings.seed,
            epoch=epoch,
            processes=processes,
        )

    return batches


def _process_seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.default_rng([seed, epoch, rank, 3]).integers(2**62))
