"""Making a batch of images: Adam on their pixels, first at half the resolution."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Size
from sigzoo.learning.inversion import objective
from sigzoo.learning.inversion.networks import WriterClassifier
from sigzoo.learning.inversion.statistics import StatisticsProbe
from sigzoo.learning.training.loop import DivergedError
from sigzoo.settings.inversion_settings import WEIGHTS, InversionSettings

__all__ = ["ImageOptimiser", "resolutions"]

_BETAS = (0.5, 0.9)
"""Adam's, as the published code has them."""
_WARM = 0.05
"""Share of a resolution's steps in which the learning rate rises."""
_BATCH = 2
"""Separates these random numbers from those of the plan."""


class ImageOptimiser:
    """Makes batches of images, each of which depends on the settings and its own number alone.

    Parameters
    ----------
    teacher, student
        What judges the images; `None` without competition.
    settings
        How they are made.
    size
        ``(h, w)``.
    """

    def __init__(
        self,
        teacher: WriterClassifier,
        student: WriterClassifier | None,
        settings: InversionSettings,
        size: Size,
    ) -> None:
        self._teacher, self._student, self._settings, self._size = teacher, student, settings, size
        self._probe = StatisticsProbe(teacher.backbone, repr(teacher.name), settings.first_statistics)

    def make(self, number: int, labels: NDArray[np.int64], done: Callable[[int], object]) -> Tensor:
        """Make the images of batch `number`: float32 ``(N, 1, h, w)``, 0 to 1.

        Parameters
        ----------
        number
            Which batch, from 0; decides what is random.
        labels
            int64 ``(N,)``: the wanted output of each.
        done
            Called with 1 after each step.

        Raises
        ------
        DivergedError
            If the objective becomes NaN or infinite.
        """
        settings = self._settings
        rng = np.random.default_rng([settings.seed, _BATCH, number])
        wanted = torch.from_numpy(labels).to(self._teacher.device)
        images: Tensor | None = None
        with self._probe:
            for size, steps in resolutions(settings, self._size):
                images = self._begin(len(labels), size, rng) if images is None else _resized(images, size)
                images = self._optimise(images, wanted, steps, rng, done, number)
        assert images is not None
        return images

    def measure(self, images: Tensor, labels: NDArray[np.int64]) -> tuple[dict[str, float], int, int | None]:
        """Measure images as they are kept: all terms, and who decides how.

        Returns
        -------
        terms
            Value of each of `WEIGHTS`, unweighted; the competition's is 0 without a student.
        as_wanted
            How many the teacher gives to the wanted writer.
        student_differs
            How many the student gives to another writer than the teacher does; `None` without one.
        """
        wanted = torch.from_numpy(labels).to(self._teacher.device)
        images = images.to(self._teacher.device)
        with torch.no_grad(), self._probe:
            logits, student = self._look(images)
            terms = {term: float(self._term(term, images, logits, student, wanted)) for term in WEIGHTS}
        choice = logits.argmax(dim=1)
        differs = None if student is None else int((student.argmax(dim=1) != choice).sum())
        return terms, int((choice == wanted).sum()), differs

    def _begin(self, count: int, size: Size, rng: np.random.Generator) -> Tensor:
        """Noise on paper, drawn on the CPU so that every device begins with the same."""
        noise = torch.from_numpy(rng.standard_normal((count, 1, *size), dtype=np.float32))
        return (self._settings.noise * noise).abs().clamp_(0.0, 1.0).to(self._teacher.device)

    def _optimise(
        self,
        images: Tensor,
        wanted: Tensor,
        steps: int,
        rng: np.random.Generator,
        done: Callable[[int], object],
        number: int,
    ) -> Tensor:
        """Take steps at one resolution."""
        settings = self._settings
        images = images.clone().requires_grad_()
        adam = torch.optim.Adam([images], lr=settings.learning_rate, betas=_BETAS)
        active = [term for term in WEIGHTS if settings.weight(term) > 0]
        for step in range(steps):
            adam.param_groups[0]["lr"] = settings.learning_rate * _rate_factor(step, steps)
            logits, student = self._look(self._disturbed(self._full(images), rng))
            values = [
                settings.weight(term) * self._term(term, images, logits, student, wanted) for term in active
            ]
            loss = torch.stack(values).sum()
            (images.grad,) = torch.autograd.grad(loss, [images])
            if not bool(torch.isfinite(loss)):
                raise DivergedError(
                    f"The objective became {loss.item()} in step {step + 1} of batch {number + 1}. Batches"
                    " before it are kept. Try a smaller learning_rate or smaller weights, or float32."
                )
            adam.step()
            with torch.no_grad():
                images.clamp_(0.0, 1.0)
            done(1)
        return images.detach()

    def _look(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of the teacher and of the student."""
        return self._teacher(images), None if self._student is None else self._student(images)

    def _term(
        self, term: str, images: Tensor, logits: Tensor, student: Tensor | None, wanted: Tensor
    ) -> Tensor:
        if term == "cross_entropy":
            return objective.cross_entropy(logits, wanted)
        if term == "statistics":
            return self._probe.take()
        if term == "competition":
            if student is None:
                return logits.new_zeros(())
            return objective.competition(logits, student, self._settings.temperature)
        priors = {
            "tv_l1": objective.total_variation_l1,
            "tv_l2": objective.total_variation_l2,
            "l2": objective.image_norm,
        }
        return priors[term](images)

    def _full(self, images: Tensor) -> Tensor:
        """Images as the networks take them: small ones as they are where that is possible."""
        size = (int(images.shape[2]), int(images.shape[3]))
        networks = [self._teacher] if self._student is None else [self._teacher, self._student]
        return images if all(each.takes(size) for each in networks) else _resized(images, self._size)

    def _disturbed(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Images rolled at random, and mirrored where that is wanted."""
        most = self._settings.jitter * int(images.shape[2]) // self._size[0]
        down, right = (int(each) for each in rng.integers(-most, most + 1, size=2))
        mirrored = bool(rng.integers(2)) and self._settings.flip
        images = torch.roll(images, (down, right), dims=(2, 3)) if down or right else images
        return images.flip(3) if mirrored else images


def resolutions(settings: InversionSettings, size: Size) -> list[tuple[Size, int]]:
    """Sizes at which images are worked on, in order, with the number of steps at each."""
    small = round(settings.half_resolution * settings.iterations)
    half = (ceil(size[0] / 2), ceil(size[1] / 2))
    every = [(half, small), (size, settings.iterations - small)]
    return [(at, steps) for at, steps in every if steps]


def _rate_factor(step: int, steps: int) -> float:
    """Rises over the first twentieth, then falls along a cosine towards 0."""
    warm = int(_WARM * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1.0 + cos(pi * (step - warm) / (steps - warm)))


def _resized(images: Tensor, size: Size) -> Tensor:
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)
