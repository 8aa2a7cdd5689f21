"""How long a distillation would take on this machine: a few steps with random images, timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from statistics import median

import torch
from torch import Tensor

from sigzoo.interfaces import Backbone, Size, TrainingBatch
from sigzoo.learning.training.distributed import session
from sigzoo.learning.training.network import TrainedNetwork, autocast
from sigzoo.learning.training.optim import build_optimiser, clip_gradients
from sigzoo.learning.training.validation import MOST_WRITERS, REFERENCES
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.training_settings import TrainingSettings
from sigzoo.zoo import default_zoo

__all__ = ["Estimate", "estimate"]

_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """Extrapolated from a few steps; a machine that is busy or grows warm takes longer."""

    student_seconds: float
    """Of one step of the optimiser: student forward and backward, and the update."""
    teacher_seconds: float
    """Of the teacher's forward pass over one batch."""
    measuring_seconds: float
    """Of the student's forward pass over one batch, as each epoch is measured."""
    batch_size: int
    steps: int | None
    """Of the whole run; `None` where the number of images is not known."""
    teacher_batches: int | None
    """How many batches the teacher sees."""
    measuring_batches: int | None
    """How many the student sees in the measuring of all epochs."""
    device: str

    @property
    def seconds(self) -> float | None:
        """Of the whole run, without fetching and reading the data."""
        if self.steps is None or self.teacher_batches is None or self.measuring_batches is None:
            return None
        return (
            self.steps * self.student_seconds
            + self.teacher_batches * self.teacher_seconds
            + self.measuring_batches * self.measuring_seconds
        )


class _Answers:
    """What a teacher would say of a batch, random."""

    provides = frozenset({"teacher_features", "teacher_logits"})

    def __init__(self, features: Tensor, logits: Tensor) -> None:
        self._features, self._logits = features, logits

    def __call__(self, batch: TrainingBatch, pixels: Tensor) -> TrainingBatch:
        return replace(batch, teacher_features=self._features, teacher_logits=self._logits)


def estimate(
    student: Backbone,
    teacher: Backbone,
    settings: TrainingSettings,
    size: Size,
    *,
    writers: int,
    images: int | None,
) -> Estimate:
    """Time a few steps of a distillation with random images.

    Parameters
    ----------
    student, teacher
        Networks; the student's weights are changed.
    settings
        Of the run.
    size
        ``(h, w)`` of the images.
    writers
        Outputs of the heads.
    images
        How many there are; `None` where nobody knows.

    Raises
    ------
    UsageError
        If there is no such device, or the loss does not take its options.
    """
    with session(settings.device) as group, torch.random.fork_rng(devices=[]):
        device = group.device
        torch.manual_seed(0)
        count = settings.batch_size
        pixels = torch.rand(count, 1, *size).to(device)
        answers = _Answers(
            torch.rand(count, teacher.feature_dim).to(device), torch.randn(count, writers).to(device)
        )
        loss = default_zoo().loss(settings.loss, **with_tuples(settings.loss_options))
        loss.prepare_for_teacher(feature_dim=teacher.feature_dim, writers=writers)
        network = TrainedNetwork(
            student,
            loss,
            writers=writers,
            input_scale=1.0 / 255.0,
            precision=settings.precision,
            enricher=answers,
            white=1.0,
        ).to(device)
        optimiser = build_optimiser(network, settings)
        labels = (torch.zeros(count, dtype=torch.int64), torch.zeros(count), torch.arange(count))
        labels = tuple(each.to(device) for each in labels)  # type: ignore[assignment]

        def step() -> Tensor:
            optimiser.zero_grad(set_to_none=True)
            value: Tensor = network(pixels, *labels)
            value.backward()  # type: ignore[no-untyped-call]
            clip_gradients(network, settings)
            optimiser.step()
            return value.detach()

        frozen = teacher.eval().to(device)

        def teach() -> Tensor:
            with torch.inference_mode(), autocast(device.type, settings.precision):
                total: Tensor = frozen(pixels).float().sum()
                return total

        def measure() -> Tensor:
            with torch.inference_mode():
                total: Tensor = network.describe(pixels)[0].float().sum()
                return total

        student_seconds, teacher_seconds = _timed(step), _timed(teach)
        network.eval()
        measuring_seconds = _timed(measure)
    steps, asked, measured = (None,) * 3 if images is None else _batches(settings, images, writers)
    return Estimate(
        student_seconds, teacher_seconds, measuring_seconds, count, steps, asked, measured, str(device)
    )


def _batches(settings: TrainingSettings, images: int, writers: int) -> tuple[int, int, int]:
    """Steps, batches for the teacher, and batches of measuring, if all writers have as many images."""
    size = settings.batch_size
    held_out = writers * max(1, round(settings.validation * images / writers))
    steps = settings.epochs * max(1, (images - held_out) // size)
    # Of images that are always the same the teacher is asked once.
    asked = steps if settings.augment else ceil(images / size)
    compared = REFERENCES * min(writers, MOST_WRITERS)
    return steps, asked, settings.epochs * (ceil(held_out / size) + ceil(compared / size))


def _timed(act: Callable[[], Tensor]) -> float:
    """Seconds that something takes once it has been done before."""
    seconds = []
    for _ in range(1 + _STEPS):
        began = time.perf_counter()
        float(act())  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
