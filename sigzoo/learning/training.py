"""`train`: settings in, a model in a folder out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sigzoo import plugins
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.interfaces import Backbone, Preprocessor
from sigzoo.learning.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from sigzoo.learning.data import TrainingData
from sigzoo.learning.distributed import Group, session
from sigzoo.learning.loop import DivergedError, Input, Trainer
from sigzoo.learning.network import BatchEnricher, TrainedNetwork, check_needs
from sigzoo.learning.preparation import Preparation
from sigzoo.learning.results import (
    CURVE,
    LOG,
    REGISTRY,
    WEIGHTS,
    EpochResult,
    TrainingResult,
    draw_curve,
    publish,
    write_log,
)
from sigzoo.learning.run_folder import CHECKPOINT, check_folder, make_folder, model_name
from sigzoo.learning.settings import TrainingSettings
from sigzoo.learning.sources import read_training_data
from sigzoo.learning.splits import split_per_writer
from sigzoo.learning.validation import Measures, Validator
from sigzoo.progress import ProgressLike, bar
from sigzoo.registry.cards import with_tuples

__all__ = ["train"]


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
    with session(settings.device) as group:
        devices = [group.device] if group.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            run = _Run(settings, group, enricher, resume)
            try:
                return run.go(progress if group.is_first else False, on_epoch)
            finally:
                run.close()


class _Run:
    """One run, put together: data, network, trainer, and how far it has come."""

    def __init__(
        self, settings: TrainingSettings, group: Group, enricher: BatchEnricher | None, resume: bool
    ) -> None:
        self._settings, self._group = settings, group
        if settings.precision == "float16" and group.device.type != "cuda":
            raise UsageError("float16 needs a GPU; on a CPU use bfloat16 or float32.")
        if settings.plot:
            _require_plotting()
        self.name = model_name(settings, resume=resume)
        loss = plugins.loss(settings.loss, **with_tuples(settings.loss_options))
        check_needs(settings.loss, loss, enricher)
        if settings.select == "accuracy" and "writer_logits" not in loss.needs:
            raise UsageError(
                f"The loss {settings.loss!r} has no writer head, so there is no accuracy to select by:"
                " use select 'eer'."
            )
        torch.manual_seed(settings.seed)
        backbone = plugins.backbone(settings.backbone, **with_tuples(settings.backbone_options))
        scale = _check_fit(settings, backbone)
        group.on_first(lambda: check_folder(settings, resume=resume))
        self._data = group.share_data(group.on_first(lambda: _read(settings)))
        entering = _input(self._data, backbone, settings)
        split = split_per_writer(self._data, settings.validation, settings.seed)
        indices = split.training
        forgeries = "forgery" in loss.needs
        if forgeries and not self._data.forged.any():
            raise DataError(
                f"The loss {settings.loss!r} learns from forgeries, and {settings.data} has none."
            )
        if not forgeries:
            indices = np.intersect1d(indices, self._data.without_forgeries())
        network = TrainedNetwork(
            backbone,
            loss,
            writers=self._data.writer_count,
            input_scale=scale,
            precision=settings.precision,
            enricher=enricher,
        ).to(group.device)
        self._validator = Validator(
            self._data,
            split,
            crop=entering.crop,
            minimum=entering.minimum,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
        self._digest = self._data.digest()
        self._trainer = Trainer(network, self._data, indices, entering, settings, group)
        self._history: tuple[EpochResult, ...] = ()
        if resume:
            self._restore()
        else:
            group.on_first(lambda: make_folder(settings))

    def go(self, progress: ProgressLike, on_epoch: Callable[[EpochResult], object] | None) -> TrainingResult:
        """Train what is left of the epochs."""
        settings, folder = self._settings, self._settings.output
        first = len(self._history) + 1
        steps = (settings.epochs - first + 1) * self._trainer.steps
        with bar(progress, steps, "training") as done:
            for number in range(first, settings.epochs + 1):
                result = self._epoch(number, done)
                if on_epoch is not None and self._group.is_first:
                    on_epoch(result)
        best = [each for each in self._history if each.best][-1]
        self._group.on_first(self._finish)
        return TrainingResult(
            self.name, folder / WEIGHTS, folder / REGISTRY, folder / LOG, self._history, best
        )

    def _epoch(self, number: int, done: Callable[[int], object]) -> EpochResult:
        """Train, measure and keep one epoch."""
        began = time.perf_counter()
        try:
            loss, rate = self._trainer.epoch(number, done)
            measures = self._measure(number)
        except DivergedError as error:
            raise DivergedError(f"{error} {self._kept()}") from error
        self._group.require_agreement(self._trainer.network)
        result = EpochResult(
            epoch=number,
            rate=rate,
            loss=loss,
            accuracy=measures.accuracy,
            eer=measures.eer,
            eer_skilled=measures.eer_skilled,
            seconds=round(time.perf_counter() - began, 3),
            best=False,
        )
        result = replace(result, best=self._is_best(result))
        self._history += (result,)
        self._group.on_first(lambda: self._keep(result))
        return result

    def close(self) -> None:
        """Let go of what belongs to the processes' session."""
        self._trainer.close()

    def _finish(self) -> None:
        """Check that all is there, and draw the curve."""
        folder = self._settings.output
        if not ((folder / WEIGHTS).exists() and (folder / REGISTRY).exists()):
            raise DataError(f"{folder}: {WEIGHTS} or {REGISTRY} has been removed; train again elsewhere.")
        write_log(folder, self._history)
        if self._settings.plot:
            draw_curve(folder / CURVE, self._history)

    def _measure(self, number: int) -> Measures:
        """Measure in the first process, and tell the others."""
        vector = None
        if self._group.is_first:
            found = self._validator.measure(self._trainer.network, self._group.device)
            values = (found.accuracy, found.eer, found.eer_skilled) if found else (np.inf, np.inf, np.inf)
            vector = np.array([np.nan if each is None else each for each in values])
        accuracy, eer, skilled = (float(each) for each in self._group.share(vector))
        if np.isinf(eer):
            raise DivergedError(f"The features became NaN or infinite in epoch {number}.")
        return Measures(None if np.isnan(accuracy) else accuracy, eer, None if np.isnan(skilled) else skilled)

    def _is_best(self, result: EpochResult) -> bool:
        """Whether an epoch is no worse than the best before; of equals the last counts (sigver's rule)."""
        before = [each for each in self._history if each.best]
        if not before:
            return True
        by_accuracy = self._settings.select == "accuracy" or (
            self._settings.select == "auto" and result.accuracy is not None
        )
        if by_accuracy:
            assert result.accuracy is not None
            assert before[-1].accuracy is not None
            return result.accuracy >= before[-1].accuracy
        return result.eer <= before[-1].eer

    def _keep(self, result: EpochResult) -> None:
        """Write weights before the checkpoint: a kill between them repeats the epoch and both."""
        folder, trainer = self._settings.output, self._trainer
        if result.best:
            publish(folder, self.name, self._settings, trainer.network, result)
        write_log(folder, self._history)
        state = Checkpoint(
            data=self._digest,
            network=trainer.network.state_dict(),
            optimiser=trainer.optimiser.state_dict(),
            scaler=trainer.scaler.state_dict(),
            history=self._history,
        )
        save_checkpoint(folder / CHECKPOINT, state)

    def _restore(self) -> None:
        """Go back to the last checkpoint; without one, the run starts over."""
        path = self._settings.output / CHECKPOINT
        if not path.exists():
            return
        found = load_checkpoint(path)
        if found.data != self._digest:
            raise DataError(
                f"{path}: the run was trained on other data than {self._settings.data} holds now."
            )
        try:
            self._trainer.network.load_state_dict(found.network)
            self._trainer.optimiser.load_state_dict(found.optimiser)
            self._trainer.scaler.load_state_dict(found.scaler)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path}: does not fit the network of this run: {reason:.300}") from error
        self._history = found.history

    def _kept(self) -> str:
        done = len(self._history)
        if not done:
            return "No epoch was finished, so nothing is kept. Try a smaller rate, or clip_norm=1."
        return (
            f"The checkpoint of epoch {done} and the best model so far are kept in {self._settings.output}."
            " Try a smaller rate, or clip_norm=1, in another folder."
        )


def _read(settings: TrainingSettings) -> TrainingData:
    training: Mapping[str, Any] = {**settings.preprocessor_options, **settings.training_options}
    preparation = Preparation(
        None if settings.preprocessed else settings.preprocessor, training, settings.preprocessor_options
    )
    return read_training_data(settings.data, preparation, workers=settings.workers)


def _check_fit(settings: TrainingSettings, backbone: Backbone) -> float:
    """Check that preprocessor and backbone go together; the network's input scale."""
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


def _input(data: TrainingData, backbone: Backbone, settings: TrainingSettings) -> Input:
    """How the images fit the network: cropped where they are larger, refused where they are smaller."""
    size = backbone.input_size
    if size is None:
        return Input(None, backbone.minimum_size)
    smallest = data.smallest()
    if smallest[0] < size[0] or smallest[1] < size[1]:
        raise DataError(
            f"{settings.data}: holds training images of {smallest} (h, w), smaller than the {size} that the"
            f" backbone {settings.backbone!r} takes."
        )
    largest = (int(data.sizes[:, 0].max()), int(data.sizes[:, 1].max()))
    if largest == size:
        return Input(None, size)
    if settings.preprocessed and largest != smallest:
        raise DataError(
            f"{settings.data}: preprocessed images must be of one size, got {smallest} to {largest}."
        )
    return Input(size, size)


def _require_plotting() -> None:
    from sigzoo.imaging.figures import new_figure

    try:
        new_figure(1, 1)
    except SigzooError as error:
        raise UsageError(f"{error} Or train without --plot.") from error
