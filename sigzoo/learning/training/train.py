"""`train`: settings in, a model in a folder out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.common.progress import ProgressLike
from sigzoo.errors import DataError, UsageError
from sigzoo.fitting import check_sizes, fitting_scale
from sigzoo.interfaces import Backbone, Loss, Preprocessor, SampledData
from sigzoo.learning.data.in_memory import TrainingData
from sigzoo.learning.data.inputs import InputTransform, fit_input
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.sources import Found, read_all
from sigzoo.learning.data.splits import Split, split_per_writer
from sigzoo.learning.own_output import own_output
from sigzoo.learning.training.beginning import calibrate, drawing_seed, load_start, place_classes
from sigzoo.learning.training.distributed import Group, session
from sigzoo.learning.training.exported_heads import check_export, export_heads
from sigzoo.learning.training.loop import Trainer, drawn_by
from sigzoo.learning.training.network import BatchEnricher, TrainedNetwork, check_needs
from sigzoo.learning.training.objective import Objective, Term
from sigzoo.learning.training.results import EpochResult, TrainingResult
from sigzoo.learning.training.run import Run, Task
from sigzoo.learning.training.terms import build_sampler, build_terms
from sigzoo.learning.training.unseen import UnseenWriters, verify_unseen
from sigzoo.learning.training.validation import Measures, Validator
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.training_settings import TrainingSettings
from sigzoo.zoo import Zoo, default_zoo, resolve_zoo

__all__ = ["check_fit", "check_selection", "run_task", "train"]


def train(
    settings: TrainingSettings,
    *,
    resume: bool = False,
    enricher: BatchEnricher | None = None,
    progress: ProgressLike = False,
    on_epoch: Callable[[EpochResult], object] | None = None,
    on_data: Callable[[Found], object] | None = None,
    zoo: Zoo | None = None,
) -> TrainingResult:
    """Train a backbone and leave a model: weights and a registry fragment in ``settings.output``.

    Started by ``torchrun``, the processes share every batch; the first one writes.

    Parameters
    ----------
    settings
        What to train, on what and how.
    resume
        Go on after the last whole epoch of the run in the folder, whose settings must be the same.
        On a CPU the losses are those of an uninterrupted run, to the last bit.
    enricher
        Fills in fields of a batch that the loop does not know, such as a teacher's features.
    progress
        `True` for a bar on stderr, or a function that is told how many more steps are done.
    on_epoch
        Called after each epoch, once its checkpoint is written.
    on_data
        Called with what was found in each place of data, before training: how many writers, genuine
        signatures and forgeries.
    zoo
        Where parts and models are looked up; the environment's by default.

    Returns
    -------
    TrainingResult
        The epochs, the best of them, the folder and its registry.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If a part is not there, or the parts and settings do not go together.
    DataError, ImageError
        If the data cannot be used, or a checkpoint is damaged.
    DivergedError
        If the loss is no longer finite; the last good checkpoint and model stay.
    SigzooError
        If a file cannot be written.
    """
    with resolve_zoo(zoo).as_default():
        return run_task(
            settings,
            lambda group: _Training(settings, group, enricher, on_data, progress is True).task(),
            resume=resume,
            progress=progress,
            on_epoch=on_epoch,
        )


def run_task(
    settings: TrainingSettings,
    build: Callable[[Group], Task],
    *,
    resume: bool,
    progress: ProgressLike,
    on_epoch: Callable[[EpochResult], object] | None,
) -> TrainingResult:
    """Join the processes, build a task and go through its epochs; see `train`."""
    with session(settings.device) as group, ExitStack() as held:
        group.on_rank_zero(lambda: held.enter_context(own_output(settings.output)))
        devices = [group.device] if group.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            run = Run(settings, group, lambda: build(group), resume)
            try:
                return run.run(progress if group.is_rank_zero else False, on_epoch)
            finally:
                run.close()


class _Training:
    """Puts a training together: parts that fit each other, data, and what is held out."""

    def __init__(
        self,
        settings: TrainingSettings,
        group: Group,
        enricher: BatchEnricher | None,
        on_data: Callable[[Found], object] | None,
        progress: bool,
    ) -> None:
        self._settings, self._group, self._enricher = settings, group, enricher
        self._on_data, self._progress = on_data, progress

    def task(self) -> Task:
        """Build everything; what costs nothing is checked first."""
        settings, group = self._settings, self._group
        terms, sampler = build_terms(settings), build_sampler(settings)
        for term in terms:
            check_needs(term.name, term.loss, self._enricher)
        check_selection(settings, [term.loss for term in terms])
        # Before the network is made: its first weights are part of what the seed decides.
        torch.manual_seed(settings.seed)
        backbone = default_zoo().backbone(settings.backbone, **with_tuples(settings.backbone_options))
        scale, start = check_fit(settings, backbone), load_start(backbone, settings)
        data = self._read([settings.data, *settings.more_data])
        transform = self._transform(data, settings.data, backbone)
        split = self._split(data)
        sampled = SampledData(
            _drawable(settings, terms, data, split.training), data.writers, data.forged, data.labels
        )
        objective = Objective(terms, sampler.kinds(sampled))
        network = TrainedNetwork(
            backbone,
            objective,
            writers=data.writer_count,
            labels={name: int(sampled.label(name).max()) + 1 for name in objective.labels},
            input_scale=scale,
            precision=settings.precision,
            enricher=self._enricher,
        ).to(group.device)
        if settings.export_outputs:
            check_export(network)
        calibrate(network, data, sampled.indices, transform, settings.batch_size)
        if start is not None:
            place_classes(network, data, sampled.indices, transform, settings.batch_size)
        seed = drawing_seed(settings, start)
        trainer = Trainer(
            network,
            data,
            drawn_by(sampler, sampled, settings, group.size, seed),
            transform,
            settings,
            group,
            seed=seed,
            untouched_rows=untouched_rows(settings, transform),
        )
        return Task(
            trainer,
            " ".join([data.digest(), *filter(None, [start])]),
            f"{settings.data} holds",
            self._measuring(trainer, data, split, transform, backbone),
            lambda trained: (
                export_heads(trained, data, settings.export_outputs) if settings.export_outputs else {}
            ),
        )

    def _read(self, places: Sequence[str]) -> TrainingData:
        """Read and join some places in the first process, and give them to all."""
        settings = self._settings
        training: Mapping[str, Any] = {**settings.preprocessor_options, **settings.training_options}
        preparation = Preparation(
            None if settings.preprocessed else settings.preprocessor, training, settings.preprocessor_options
        )
        cache = None if settings.cache is None else Path(settings.cache).expanduser()
        return self._group.broadcast_data(
            self._group.on_rank_zero(
                lambda: read_all(
                    places,
                    preparation,
                    workers=settings.workers,
                    cache=cache,
                    on_found=self._on_data,
                    progress=self._progress,
                )
            )
        )

    def _transform(self, data: TrainingData, where: str, backbone: Backbone) -> InputTransform:
        settings = self._settings
        return fit_input(data, backbone, where=where, name=settings.backbone, one_size=settings.preprocessed)

    def _split(self, data: TrainingData) -> Split:
        settings = self._settings
        if not settings.validation:
            return Split(np.arange(len(data)), np.empty(0, np.int64))
        return split_per_writer(data, settings.validation, settings.seed)

    def _measuring(
        self,
        trainer: Trainer,
        data: TrainingData,
        split: Split,
        transform: InputTransform,
        backbone: Backbone,
    ) -> Callable[[], Measures | None]:
        """How an epoch is measured: on unseen writers where there are any, and on what is held out."""
        settings, device = self._settings, self._group.device
        unseen = [
            UnseenWriters(place, held_out, self._transform(held_out, place, backbone))
            for place in settings.validation_data
            for held_out in [self._read([place])]
        ]
        validator = None
        if len(split.validation):
            validator = Validator(
                data, split, transform=transform, batch_size=settings.batch_size, seed=settings.seed
            )

        def measure() -> Measures | None:
            seen = None if validator is None else validator.measure(trainer.trained, device)
            if not unseen or (validator is not None and seen is None):
                return seen
            found = verify_unseen(unseen, trainer.trained, device, batch_size=settings.batch_size)
            return found if seen is None or found is None else replace(found, accuracy=seen.accuracy)

        return measure


def _drawable(
    settings: TrainingSettings, terms: Sequence[Term], data: TrainingData, training: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Signatures that batches may hold: forgeries where a loss has a use for them.

    Raises
    ------
    DataError
        If a loss learns from forgeries and there are none.
    """
    if not any(term.learns_from_forgeries for term in terms):
        return np.intersect1d(training, data.without_forgeries())
    needing = [term.name for term in terms if "forgery" in term.loss.needs]
    if needing and not data.forged.any():
        raise DataError(f"The loss {needing[0]!r} learns from forgeries, and {settings.data} has none.")
    return training


def untouched_rows(settings: TrainingSettings, transform: InputTransform) -> int:
    """Rows at the bottom of each image that are measurements, which no augmentation changes.

    Raises
    ------
    UsageError
        If a random crop would cut into them.
    """
    rows = (
        default_zoo()
        .preprocessor(settings.preprocessor, **with_tuples(settings.preprocessor_options))
        .rows_beside
    )
    if rows and transform.crop is not None:
        raise UsageError(
            f"The preprocessor {settings.preprocessor!r} writes measurements into the last {rows} rows of its"
            " images, which cannot be cropped."
        )
    return rows


def check_selection(settings: TrainingSettings, losses: Sequence[Loss]) -> None:
    """Refuse to select by what is not measured.

    Raises
    ------
    UsageError
        If no loss has a writer head and the accuracy is to decide, or there are no unseen writers and the
        verification is.
    """
    if settings.select_by == "verification" and not settings.validation_data:
        raise UsageError("select_by 'verification' needs validation_data: data of writers not trained on.")
    headless = not any("writer_logits" in loss.needs for loss in losses)
    if settings.select_by == "accuracy" and (headless or not settings.validation):
        raise UsageError(
            f"The loss {settings.loss!r} has no writer head, so there is no accuracy to select by:"
            " use select_by 'eer'."
        )


def check_fit(settings: TrainingSettings, backbone: Backbone) -> float:
    """Check that the settings' preprocessor and backbone go together; the network's input scale.

    Raises
    ------
    UsageError
        If the images are not of the backbone's size, or the scale is not the preprocessor's.
    """
    built: Preprocessor = default_zoo().preprocessor(
        settings.preprocessor, **with_tuples(settings.preprocessor_options)
    )
    check_sizes(backbone, built, backbone_name=settings.backbone, preprocessor_name=settings.preprocessor)
    return fitting_scale(built, preprocessor_name=settings.preprocessor, input_scale=settings.input_scale)
