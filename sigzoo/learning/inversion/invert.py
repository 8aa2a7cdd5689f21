"""`invert`: a teacher in, a file of images that it knows as its writers' out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigzoo import __version__
from sigzoo.common.progress import ProgressLike, bar
from sigzoo.learning.inversion.assembly import assemble, sheet_rows
from sigzoo.learning.inversion.batch_plan import make_plan
from sigzoo.learning.inversion.image_optimiser import ImageOptimiser
from sigzoo.learning.inversion.inversion_results import (
    BatchResult,
    InversionResult,
    beside,
    write_description,
    write_log,
    write_sheet,
)
from sigzoo.learning.inversion.networks import WriterClassifier, check_student, image_size, load_classifier
from sigzoo.learning.inversion.parts import Parts, check_places
from sigzoo.learning.own_output import own_output
from sigzoo.settings.inversion_settings import InversionSettings
from sigzoo.zoo import Zoo, resolve_zoo

__all__ = ["invert"]


def invert(
    settings: InversionSettings,
    *,
    resume: bool = False,
    progress: ProgressLike = False,
    on_batch: Callable[[BatchResult, int], object] | None = None,
    zoo: Zoo | None = None,
) -> InversionResult:
    """Make images that a teacher takes for its writers', and store them in the published layout.

    DeepInversion, and with ``settings.compete`` Adaptive DeepInversion (Yin et al., CVPR 2020, arXiv
    1912.08795). The ``.npz`` holds ``x`` float32 ``(N, 1, h, w)``, 0 to 1, ink bright on 0 (or uint8, 0
    to 255), ``y`` int64 ``(N,)``: ``settings.first_label`` + the head's output, and ``yforg`` int64, all 0.
    Each finished batch is kept in the folder ``<output>.parts`` until the file is whole.

    Parameters
    ----------
    settings
        Which images, and how they are made.
    resume
        Go on with the unfinished inversion beside ``settings.output``, whose settings must be the
        same. On a CPU the images are those of an uninterrupted run, to the last bit.
    progress
        `True` for a bar on stderr, or a function that is told how many more steps are done.
    on_batch
        Called after each batch, once it is kept, with what is known of it and the number of batches.
    zoo
        Where the networks are looked up; the environment's by default.

    Returns
    -------
    InversionResult
        The file, how many images, and how often the teacher agrees.

    Raises
    ------
    UsageError
        If the teacher has no writer head or no BatchNorm2d, has not the writers asked for or takes
        another size; if the student does not fit; if the file exists already, or the run to go on
        with has other settings.
    UnknownNameError, PluginError, ArtifactError, WeightsError
        If a network cannot be loaded.
    DivergedError
        If the objective is no longer finite; finished batches stay.
    DataError
        If a kept batch is damaged.
    SigzooError
        If a file cannot be written; finished batches stay.
    """
    with resolve_zoo(zoo).as_default(), own_output(settings.output):
        return _Run(settings, resume).run(progress, on_batch)


class _Run:
    """One inversion, put together: networks, plan, and how far it has come."""

    def __init__(self, settings: InversionSettings, resume: bool) -> None:
        self._settings = settings
        check_places(settings, resume=resume)
        teacher = load_classifier("teacher", settings)
        student = None
        size = image_size(settings, teacher)
        if settings.compete is not None:
            student = load_classifier("student", settings)
            check_student(student, teacher, size)
        self._teacher, self._plan, self._shape = teacher, make_plan(settings, teacher.writers), (1, *size)
        self._optimiser = ImageOptimiser(teacher, student, settings, size)
        classifiers: dict[str, WriterClassifier] = {"teacher": teacher} | (
            {} if student is None else {"student": student}
        )
        self._digests = {role: classifier.digest() for role, classifier in classifiers.items()}
        self._parts = Parts.open(settings, self._digests, resume=resume)
        self._done = self._parts.finished(self._plan.batches, self._shape)

    def run(
        self, progress: ProgressLike, on_batch: Callable[[BatchResult, int], object] | None
    ) -> InversionResult:
        """Make what is left of the batches, then the file."""
        settings, batches = self._settings, self._plan.batches
        left = (len(batches) - len(self._done)) * settings.iterations
        with bar(progress, left, "inverting") as step:
            for number in range(len(self._done), len(batches)):
                result = self._batch(number, step)
                if on_batch is not None:
                    on_batch(result, len(batches))
        return self._finish()

    def _batch(self, number: int, step: Callable[[int], object]) -> BatchResult:
        """Make, measure and keep one batch."""
        began, labels = time.perf_counter(), self._plan.batches[number]
        images = _stored(self._optimiser.make(number, labels, step), self._settings)
        terms, as_wanted, differs = self._optimiser.measure(_unit(images), labels)
        result = BatchResult(
            batch=number,
            images=len(labels),
            **{**terms, "competition": None if differs is None else terms["competition"]},  # type: ignore[arg-type]
            as_wanted=as_wanted,
            student_differs=differs,
            seconds=round(time.perf_counter() - began, 3),
        )
        self._parts.keep(result, images, labels)
        self._done.append(result)
        write_log(beside(self._settings.output, "csv"), self._done)
        return result

    def _finish(self) -> InversionResult:
        """Put the file together, say what it is, and only then let go of the batches."""
        settings, output = self._settings, self._settings.output
        assemble(self._parts, self._plan, self._shape)
        result = self._summary()
        write_log(result.log, result.batches)
        write_description(result.description, self._description(result))
        if settings.plot is not None:
            write_sheet(settings.plot, sheet_rows(output, self._plan))
        self._parts.remove()
        return result

    def _summary(self) -> InversionResult:
        settings, done = self._settings, tuple(self._done)
        images = len(self._plan)
        differ = [each.student_differs for each in done]
        return InversionResult(
            data=settings.output,
            log=beside(settings.output, "csv"),
            description=beside(settings.output, "json"),
            sheet=settings.plot,
            images=images,
            writers=len(self._plan.writers),
            agreement=100.0 * sum(each.as_wanted for each in done) / images,
            disagreement=None
            if settings.compete is None
            else 100.0 * sum(each or 0 for each in differ) / images,
            batches=done,
        )

    def _description(self, result: InversionResult) -> dict[str, Any]:
        return {
            "sigzoo_version": __version__,
            "torch_version": torch.__version__,
            "settings": self._settings.for_publication(),
            "networks": self._digests,
            "licence": self._teacher.card.licence.weights,
            "commercial_use": self._teacher.card.licence.commercial_use,
            "images": result.images,
            "writers": result.writers,
            "agreement": result.agreement,
            "disagreement": result.disagreement,
            "seconds": round(result.seconds, 3),
        }


def _stored(images: Tensor, settings: InversionSettings) -> NDArray[np.generic]:
    """Images as the file holds them."""
    found: NDArray[np.float32] = images.cpu().numpy()
    if settings.uint8:
        levels: NDArray[np.uint8] = np.rint(255.0 * found).astype(np.uint8)
        return levels
    return found


def _unit(images: NDArray[np.generic]) -> Tensor:
    """Images of the file on the scale 0 to 1."""
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    return torch.from_numpy(images).to(torch.float32) / scale
