"""`train`: settings in, a model in a folder out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from sigzoo import plugins
from sigzoo.common.progress import ProgressLike
from sigzoo.errors import DataError, UsageError
from sigzoo.interfaces import Backbone, Loss, Preprocessor
from sigzoo.learning.data.in_memory import TrainingData
from sigzoo.learning.data.inputs import fit_input
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.sources import read_training_data
from sigzoo.learning.data.splits import split_per_writer
from sigzoo.learning.training.distributed import Group, session
from sigzoo.learning.training.loop import Trainer, shuffled
from sigzoo.learning.training.network import BatchEnricher, TrainedNetwork, check_needs
from sigzoo.learning.training.results import EpochResult, TrainingResult
from sigzoo.learning.training.run import Run, Task
from sigzoo.learning.training.settings import TrainingSettings
from sigzoo.learning.training.validation import Validator
from sigzoo.registry.cards import with_tuples

__all__ = ["check_fit", "check_selection", "run_task", "train"]


def train(
    settings: TrainingSettings,
    *,
    resume: bool = False,
    enricher: BatchEnricher | None = None,
    progress: ProgressLike = False,
    on_epoch: Callable[[EpochResult], object] | None = None,
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
    return run_task(
        settings,
        lambda group: _task(settings, group, enricher),
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
    with session(settings.device) as group:
        devices = [group.device] if group.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            run = Run(settings, group, lambda: build(group), resume)
            try:
                return run.run(progress if group.is_rank_zero else False, on_epoch)
            finally:
                run.close()


def _task(settings: TrainingSettings, group: Group, enricher: BatchEnricher | None) -> Task:
    """Put a training together: parts that fit each other, data, and what is held out."""
    loss = plugins.loss(settings.loss, **with_tuples(settings.loss_options))
    check_needs(settings.loss, loss, enricher)
    check_selection(settings, loss)
    torch.manual_seed(settings.seed)
    backbone = plugins.backbone(settings.backbone, **with_tuples(settings.backbone_options))
    scale = check_fit(settings, backbone)
    data = group.broadcast_data(group.on_rank_zero(lambda: _read(settings)))
    transform = fit_input(
        data, backbone, where=settings.data, name=settings.backbone, one_size=settings.preprocessed
    )
    split = split_per_writer(data, settings.validation, settings.seed)
    indices = split.training
    if "forgery" not in loss.needs:
        indices = np.intersect1d(indices, data.without_forgeries())
    elif not data.forged.any():
        raise DataError(f"The loss {settings.loss!r} learns from forgeries, and {settings.data} has none.")
    network = TrainedNetwork(
        backbone,
        loss,
        writers=data.writer_count,
        input_scale=scale,
        precision=settings.precision,
        enricher=enricher,
    ).to(group.device)
    validator = Validator(
        data, split, transform=transform, batch_size=settings.batch_size, seed=settings.seed
    )
    batches = shuffled(indices, data.writers, settings, group.size)
    trainer = Trainer(network, data, batches, transform, settings, group)
    return Task(
        trainer, data.digest(), f"{settings.data} holds", lambda: validator.measure(network, group.device)
    )


def _read(settings: TrainingSettings) -> TrainingData:
    training: Mapping[str, Any] = {**settings.preprocessor_options, **settings.training_options}
    preparation = Preparation(
        None if settings.preprocessed else settings.preprocessor, training, settings.preprocessor_options
    )
    return read_training_data(settings.data, preparation, workers=settings.workers)


def check_selection(settings: TrainingSettings, loss: Loss) -> None:
    """Refuse to select by what is not measured.

    Raises
    ------
    UsageError
        If the loss has no writer head, and the accuracy is to decide.
    """
    if settings.select == "accuracy" and "writer_logits" not in loss.needs:
        raise UsageError(
            f"The loss {settings.loss!r} has no writer head, so there is no accuracy to select by:"
            " use select 'eer'."
        )


def check_fit(settings: TrainingSettings, backbone: Backbone) -> float:
    """Check that preprocessor and backbone go together; the network's input scale.

    Raises
    ------
    UsageError
        If the images are not of the backbone's size, or the scale is not the preprocessor's.
    """
    built: Preprocessor = plugins.preprocessor(
        settings.preprocessor, **with_tuples(settings.preprocessor_options)
    )
    given, taken = built.output_size, backbone.input_size
    if taken is not None and given != taken:
        what = "images of any size" if given is None else f"images of {given}"
        raise UsageError(
            f"The preprocessor {settings.preprocessor!r} gives {what}, the backbone {settings.backbone!r}"
            f" takes {taken} (h, w). Set the options of one to fit the other."
        )
    expected = built.input_scale
    if settings.input_scale is None:
        return 1.0 / 255.0 if expected is None else expected
    if expected is not None and not np.isclose(expected, settings.input_scale, rtol=1e-6):
        raise UsageError(
            f"The preprocessor {settings.preprocessor!r} belongs to the input scale {expected:.6g}, not"
            f" {settings.input_scale:.6g}."
        )
    return settings.input_scale
