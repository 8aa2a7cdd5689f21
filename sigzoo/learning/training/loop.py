"""The training loop: epochs of steps, the same for every backbone and every loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sigzoo.errors import SigzooError
from sigzoo.interfaces import Batch, SampledData, Sampler
from sigzoo.learning.augment import ImageRandom, augment, random_crop
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.training.averaging import WeightAverage
from sigzoo.learning.training.distributed import Group
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.optim import build_optimiser, clip_gradients, set_step
from sigzoo.learning.training.schedule import Schedule
from sigzoo.settings.training_settings import TrainingSettings

__all__ = ["DivergedError", "EpochBatches", "Trainer", "drawn_by"]


@dataclass(frozen=True)
class EpochBatches:
    """The batches of every epoch; epochs count from 1."""

    batches: Callable[[int], Sequence[Batch]]
    """From an epoch to its batches."""
    steps: Callable[[int], int]
    """How many they are."""


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
    seed
        Of augmentation; by default the settings'.
    untouched_rows
        Rows at the bottom of each image that no augmentation changes.

    Attributes
    ----------
    steps
        How many steps each epoch has.
    average
        The averaged weights, once there are any.
    """

    def __init__(
        self,
        network: TrainedNetwork,
        data: ImageSet,
        batches: EpochBatches,
        transform: InputTransform,
        settings: TrainingSettings,
        group: Group,
        *,
        seed: int | None = None,
        untouched_rows: int = 0,
    ) -> None:
        self.network, self.group = network, group
        self._data, self._batches, self._input, self._settings = data, batches, transform, settings
        self._seed = settings.seed if seed is None else seed
        self._untouched = untouched_rows
        self.optimiser = build_optimiser(network, settings)
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=settings.precision == "float16")
        self._module: nn.Module = network
        if group.size > 1:
            # A loss may leave a head out of some batches, which only this option allows.
            self._module = DistributedDataParallel(network, find_unused_parameters=True)
        self.steps = [batches.steps(number) for number in range(1, settings.epochs + 1)]
        self._schedule = Schedule(settings, self.steps)
        self.average: WeightAverage | None = None

    @property
    def trained(self) -> TrainedNetwork:
        """What has come of training so far: the averaged network, where weights are averaged."""
        return self.network if self.average is None else self.average.network

    def begin_average(self, last: int) -> None:
        """Average the weights from now on, if the epoch after number `last` is one of those that count."""
        if self.average is None and last + 1 >= self._schedule.first_averaged:
            self.average = WeightAverage(self.network)

    def epoch(self, number: int, done: Callable[[int], object]) -> tuple[float, float]:
        """Train epoch `number`, from 1; return its mean loss and last learning rate.

        Raises
        ------
        DivergedError
            If the loss or the parameters become NaN or infinite.
        """
        settings, total, rate = self._settings, 0.0, 0.0
        self.begin_average(number - 1)
        # Dropout and the like, in a plugin's network.
        torch.manual_seed(_process_seed(settings.seed, number, self.group.rank))
        self._module.train()
        batches = self._batches.batches(number)
        streams = _streams(batches, len(self._data))
        for index, (batch, stream) in enumerate(zip(batches, streams, strict=True)):
            step = self._schedule.at(number, index)
            rate = step.learning_rate
            set_step(self.optimiser, step, settings)
            loss = self.group.mean(self._step(batch, stream, number))
            if self.average is not None and step.averaged:
                self.average.update()
            if not np.isfinite(loss):
                raise DivergedError(f"The loss became {loss} in step {index + 1} of epoch {number}.")
            total += loss
            done(1)
        # A loss is computed before its step: what the last step of the epoch did shows here alone.
        if not all(bool(torch.isfinite(each).all()) for each in self.network.parameters()):
            raise DivergedError(f"The parameters became NaN or infinite in epoch {number}.")
        if self.average is not None:
            # Averaged weights give other activations than those that batch normalisation has counted.
            self.average.normalise(self._inputs(batches, streams, number))
        return total / len(batches), rate

    def close(self) -> None:
        """Let go of what shares the gradients: it must not outlive the processes' session."""
        self._module = self.network

    def _step(self, batch: Batch, stream: NDArray[np.int64], epoch: int) -> Tensor:
        """One step of the optimiser; the loss of this process's share of the batch."""
        device, indices = self.group.device, self._share(batch.indices)
        pixels = self.pixels(indices, epoch, self._share(stream))
        writers = torch.from_numpy(self._data.writers[indices]).to(device)
        forged = torch.from_numpy(self._data.forged[indices]).to(device, torch.float32)
        labels = {
            name: torch.from_numpy(self._data.labels[name][indices]).to(device)
            for name in self.network.objective.labels
        }
        self.optimiser.zero_grad(set_to_none=True)
        signatures = torch.from_numpy(indices).to(device)
        loss: Tensor = self._module(pixels, writers, forged, signatures, labels, batch.kind)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        # What is clipped is the gradients' own size, not that which float16 needs.
        self.scaler.unscale_(self.optimiser)
        clip_gradients(self.network, self._settings)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss.detach()

    def pixels(
        self, indices: NDArray[np.int64], epoch: int, stream: NDArray[np.int64] | None = None
    ) -> Tensor:
        """Training images, augmented and cropped: float32 ``(N, 1, h, w)``, 0 to the input's `white`.

        Parameters
        ----------
        indices
            Which.
        epoch
            Decides with `stream` what is drawn for each.
        stream
            ``(N,)``: a number for each, other ones where an image comes again in an epoch; by default the
            image's own.
        """
        settings, device, white = self._settings, self.group.device, self._input.white
        pixels = self._input.pixels(self._data, indices, device)
        rng = ImageRandom.for_images(self._seed, epoch, indices if stream is None else stream, device)
        if settings.augment:
            height = pixels.shape[2] - self._untouched
            picture, beside = pixels[:, :, :height], pixels[:, :, height:]
            picture = white * augment(picture / white, rng, settings.augment, settings.augment_strength)
            pixels = torch.cat([picture, beside], dim=2) if self._untouched else picture
        if self._input.crop is not None:
            pixels = random_crop(pixels, self._input.crop, rng.spawn("crop"))
        return pixels

    def _inputs(
        self, batches: Sequence[Batch], streams: Sequence[NDArray[np.int64]], epoch: int
    ) -> Iterator[Tensor]:
        """Shares of batches of one process, as the network takes them."""
        for batch, stream in zip(batches, streams, strict=True):
            yield self.pixels(self._share(batch.indices), epoch, self._share(stream)) * self.network.factor

    def _share(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        count = len(batch) // self.group.size
        return batch[self.group.rank * count : (self.group.rank + 1) * count]


def drawn_by(
    sampler: Sampler, data: SampledData, settings: TrainingSettings, processes: int, seed: int | None = None
) -> EpochBatches:
    """The batches that a sampler draws."""
    size, start = settings.batch_size, settings.seed if seed is None else seed
    return EpochBatches(
        lambda epoch: sampler.batches(data, size=size, seed=start, epoch=epoch, processes=processes),
        lambda epoch: sampler.steps(data, size=size, seed=start, epoch=epoch, processes=processes),
    )


def _streams(batches: Sequence[Batch], count: int) -> list[NDArray[np.int64]]:
    """A number for each image of each batch: its own, and another one whenever it comes again."""
    flat = np.concatenate([batch.indices for batch in batches])
    # Sorted stably, the places of an image lie side by side and in their order, and can be counted at once.
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    times = np.empty(len(flat), np.int64)
    times[order] = np.arange(len(flat)) - np.repeat(starts, np.diff(starts, append=len(flat)))
    return np.split(flat + count * times, np.cumsum([len(batch.indices) for batch in batches])[:-1])


def _process_seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.default_rng([seed, epoch, rank, 3]).integers(2**62))
