"""`distill`: a teacher, a student and data in; a model in a folder out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigzoo.common.progress import ProgressLike
from sigzoo.errors import DataError, SigzooWarning, UsageError
from sigzoo.interfaces import Backbone, Loss, SampledData
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform, fit_input
from sigzoo.learning.data.on_disk import StoredData
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.samplers import ShuffledSampler
from sigzoo.learning.data.splits import Split, split_per_writer
from sigzoo.learning.distillation.continual import JoinedData, paired
from sigzoo.learning.distillation.distillation_data import Source, open_source
from sigzoo.learning.distillation.labels import head_labels
from sigzoo.learning.distillation.teacher import Teacher, TeacherEnricher, load_teacher
from sigzoo.learning.distillation.teacher_defaults import resolve_settings
from sigzoo.learning.training.distributed import Group
from sigzoo.learning.training.loop import EpochBatches, Trainer, drawn_by
from sigzoo.learning.training.network import TrainedNetwork, check_needs
from sigzoo.learning.training.results import EpochResult, TrainingResult
from sigzoo.learning.training.run import Task
from sigzoo.learning.training.train import check_fit, check_selection, run_task
from sigzoo.learning.training.validation import Measures, Validator
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.zoo import Zoo, default_zoo, resolve_zoo

__all__ = ["distill"]


def distill(
    settings: DistillationSettings,
    *,
    resume: bool = False,
    progress: ProgressLike = False,
    on_epoch: Callable[[EpochResult], object] | None = None,
    zoo: Zoo | None = None,
) -> TrainingResult:
    """Teach a student what a teacher knows; leave it in ``settings.output`` as `train` does.

    The student sees the images that the teacher sees, and learns to say what the teacher says of
    them; no label is looked at. With new data (``settings.continual``) its writer head has outputs
    for the old writers and, behind them, for the new ones.

    Parameters
    ----------
    settings
        The student, the teacher and the data.
    resume, progress, on_epoch, zoo
        As for `train`.

    Returns
    -------
    TrainingResult
        The epochs, the best of them, the folder and its registry.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If a part is not there, or the parts and settings do not go together.
    ArtifactError, WeightsError
        If the teacher's weights, or data that are an artifact, cannot be had or are damaged.
    DataError, ImageError
        If the data cannot be used: of another size than the teacher's, or with labels that do not
        fit its head.
    DivergedError, SigzooError
        As for `train`.
    """
    with resolve_zoo(zoo).as_default(), ExitStack() as files:
        _check_settings(settings)
        settings = resolve_settings(settings)
        return run_task(
            settings,
            lambda group: _Distillation(settings, group, files, progress).task(),
            resume=resume,
            progress=progress,
            on_epoch=on_epoch,
        )


@dataclass(frozen=True)
class _Part:
    """One of the data sets of a run."""

    data: ImageSet
    split: Split
    where: str
    first_writer: int | None
    """Output of the student's head for its first writer; `None` where they are not the head's."""


class _Distillation:
    """Puts a distillation together."""

    def __init__(
        self, settings: DistillationSettings, group: Group, files: ExitStack, progress: ProgressLike
    ) -> None:
        self._settings, self._group, self._files = settings, group, files
        self._progress = progress if group.is_rank_zero else False

    def task(self) -> Task:
        """Build parts that fit each other, and say how an epoch is measured."""
        settings, group = self._settings, self._group
        # A student that does not fit is told before a teacher is fetched; it is built again below, after the
        # seed that its first weights come from.
        loss, scale = self._loss(), check_fit(settings, self._student())
        teacher = self._teacher()
        old, new = self._old(teacher, loss), self._new(teacher)
        data = old.data if new is None else JoinedData(old.data, new.data, teacher.writers)
        where = settings.data if new is None else f"{settings.data} and {settings.continual}"
        torch.manual_seed(settings.seed)
        backbone = self._student()
        transform = fit_input(
            data,
            backbone,
            where=where,
            name=settings.backbone,
            one_size=new is not None or settings.preprocessed,
            white=data.white,
        )
        enricher = TeacherEnricher(teacher, transform, loss.needs, None if new is None else len(old.data))
        check_needs(settings.loss, loss, enricher)
        loss.prepare_for_teacher(feature_dim=teacher.feature_dim, writers=teacher.writers)
        network = TrainedNetwork(
            backbone,
            loss,
            writers=teacher.writers + (0 if new is None else int(new.data.writers.max()) + 1),
            input_scale=scale,
            precision=settings.precision,
            enricher=enricher,
            white=transform.white,
        ).to(group.device)
        if settings.copy_head:
            _copy_head(teacher, network)
        if not settings.augment and transform.crop is None:
            enricher.remember(
                data, batch_size=settings.batch_size, device=group.device, progress=self._progress
            )
        return Task(
            Trainer(network, data, self._batches(old, new, data), transform, settings, group),
            f"{data.digest()} {teacher.digest()}",
            f"{where} holds, or by another teacher than {settings.teacher} is",
            self._measuring(network, enricher, transform, old, new),
        )

    def _loss(self) -> Loss:
        settings = self._settings
        loss = default_zoo().loss(settings.loss, **with_tuples(settings.loss_options))
        _check_loss(settings, loss)
        check_selection(settings, [loss])
        return loss

    def _student(self) -> Backbone:
        return default_zoo().backbone(self._settings.backbone, **with_tuples(self._settings.backbone_options))

    def _teacher(self) -> Teacher:
        """Load the teacher, in the first process before the others: it may have to be fetched."""
        settings, group = self._settings, self._group

        def read() -> Teacher:
            return load_teacher(settings.teacher, settings.teacher_weights, settings.precision, group.device)

        return group.on_rank_zero(read) or read()

    def _source(self, name: str, *, preprocessed: bool) -> ImageSet:
        settings = self._settings
        training = {**settings.preprocessor_options, **settings.training_options}
        preparation = Preparation(settings.preprocessor, training, settings.preprocessor_options)
        size = (
            default_zoo()
            .preprocessor(settings.preprocessor, **with_tuples(settings.preprocessor_options))
            .output_size
        )
        source = Source(name, preprocessed, preparation, size)
        shown = self._progress is True
        return open_source(source, self._group, self._files, workers=settings.workers, progress=shown)

    def _old(self, teacher: Teacher, loss: Loss) -> _Part:
        """The data that the teacher is asked about, labelled by its writers or not."""
        settings = self._settings
        data = self._source(settings.data, preprocessed=settings.preprocessed)
        _require_writers(data, settings.data, "data to measure a student on")
        # A folder's writers are anybody's; only arrays are taken to be of the teacher's own.
        labelled = settings.labels == "head" or (settings.labels == "auto" and isinstance(data, StoredData))
        if labelled:
            data = _numbered(data, teacher.writers, settings)
        elif "writers" in loss.needs and "new" not in loss.needs:
            raise UsageError(
                f"The loss {settings.loss!r} learns from whose signature it is, and the writers of"
                f" {settings.data} are not the teacher's."
            )
        split = split_per_writer(data, settings.validation, settings.seed)
        return _Part(data, split, settings.data, 0 if labelled else None)

    def _new(self, teacher: Teacher) -> _Part | None:
        settings = self._settings
        if settings.continual is None:
            return None
        data = self._source(settings.continual, preprocessed=settings.continual_preprocessed)
        _require_writers(data, settings.continual, "new data")
        split = split_per_writer(data, settings.validation, settings.seed)
        # The student's outputs for new writers stand behind those for the old ones.
        return _Part(data, split, settings.continual, teacher.writers)

    def _batches(self, old: _Part, new: _Part | None, data: ImageSet) -> EpochBatches:
        settings, processes = self._settings, self._group.size
        if new is None:
            sampled = SampledData(old.split.training, data.writers, data.forged)
            return drawn_by(ShuffledSampler(per_writer=settings.per_writer), sampled, settings, processes)
        genuine = new.split.training[new.data.forged[new.split.training] == 0]
        return paired(old.split.training, genuine + len(old.data), data.writers, settings, processes)

    def _measuring(
        self,
        network: TrainedNetwork,
        enricher: TeacherEnricher,
        transform: InputTransform,
        old: _Part,
        new: _Part | None,
    ) -> Callable[[], Measures | None]:
        """How an epoch is measured: on what is held out of the old data, and of the new."""
        settings, device = self._settings, self._group.device

        def validator(part: _Part, teacher_choices: NDArray[np.int64] | None) -> Validator:
            return Validator(
                part.data,
                part.split,
                transform=transform,
                batch_size=settings.batch_size,
                seed=settings.seed,
                first_writer=part.first_writer,
                teacher_choices=teacher_choices,
            )

        @cache
        def validators() -> list[Validator]:
            held_out = old.split.validation
            teacher_choices = enricher.choices(
                old.data, held_out, batch_size=settings.batch_size, device=device
            )
            if old.first_writer is not None:
                _warn_of_labels(old, teacher_choices)
            return [validator(old, teacher_choices)] + ([] if new is None else [validator(new, None)])

        def measure() -> Measures | None:
            found = [each.measure(network, device) for each in validators()]
            first, last = found[0], found[-1]
            if first is None or last is None:
                return None
            return first if new is None else replace(first, accuracy_new=last.accuracy, eer_new=last.eer)

        return measure


_NOT_HERE = (
    "more_data",
    "validation_data",
    "losses",
    "samplers",
    "start",
    "start_except",
    "cache",
    "export_outputs",
)
"""Settings of a training that a distillation has no use for."""


def _check_settings(settings: DistillationSettings) -> None:
    """Refuse what a distillation has no use for."""
    ignored = [name for name in _NOT_HERE if getattr(settings, name)]
    if ignored or not settings.validation:
        what = ", ".join(ignored) or "validation=0"
        raise UsageError(f"{what}: of `sigzoo train` alone. A distillation has one loss, and holds data out.")


def _check_loss(settings: DistillationSettings, loss: Loss) -> None:
    """Refuse a loss for which this is the wrong command, or that new data do not go with."""
    if not loss.needs & {"teacher_features", "teacher_logits"}:
        raise UsageError(f"The loss {settings.loss!r} learns from no teacher; `sigzoo train` takes it.")
    if settings.copy_head and "writer_logits" not in loss.needs:
        raise UsageError(
            f"The loss {settings.loss!r} gives the student no writer head, so none can be copied."
        )
    if "new" in loss.needs and settings.continual is None:
        raise UsageError(
            f"The loss {settings.loss!r} learns new writers: say where they are, --continual DATA."
        )
    if "new" not in loss.needs and settings.continual is not None:
        raise UsageError(f"The loss {settings.loss!r} learns no new writers; with new data use continual.")


def _require_writers(data: ImageSet, where: str, what: str) -> None:
    if len(np.unique(data.writers[data.forged == 0])) < 2:
        raise DataError(f"{where}: {what} need at least 2 writers with genuine signatures.")


def _numbered(data: ImageSet, outputs: int, settings: DistillationSettings) -> ImageSet:
    """Number the writers of data as the outputs of the teacher's head."""
    if isinstance(data, StoredData):
        data.writers = head_labels(
            data.numbers, outputs, first_label=settings.first_label, where=settings.data
        )
        return data
    count = int(data.writers.max()) + 1
    if count != outputs or settings.first_label is not None:
        raise DataError(
            f"{settings.data}: its {count} writers are not the {outputs} of the teacher's head; only those of"
            " preprocessed data can be numbered otherwise. Use --labels none."
        )
    return data


def _copy_head(teacher: Teacher, network: TrainedNetwork) -> None:
    head = network.heads["writer"]
    assert isinstance(head, nn.Linear)
    if head.in_features != teacher.feature_dim:
        raise UsageError(
            f"The student has {head.in_features} features and its teacher {teacher.feature_dim}, so that the"
            " writer head cannot be copied. Leave out --copy-head, or choose a student of equal size."
        )
    with torch.no_grad():
        head.weight[: teacher.writers].copy_(teacher.head.weight)
        head.bias[: teacher.writers].copy_(teacher.head.bias)


def _warn_of_labels(part: _Part, teacher_choices: NDArray[np.int64]) -> None:
    """Say so where the teacher itself finds most labels wrong: they may count from elsewhere."""
    right = 100.0 * float((teacher_choices == part.data.writers[part.split.validation]).mean())
    if right < 50:
        warnings.warn(
            f"{part.where}: the teacher gives {right:.0f} % of the images held out to the writers of their"
            " labels. If those are numbered otherwise than its head, say --first-label or --labels none;"
            " the student learns the same either way.",
            SigzooWarning,
            stacklevel=2,
        )
