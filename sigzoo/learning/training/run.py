"""One run: from where it stands through its epochs to a model, whatever the task is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
from torch import Tensor

from sigzoo.common.progress import ProgressLike, bar
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.learning.training.checkpoints import Checkpoint, load_checkpoint, restore, save_checkpoint
from sigzoo.learning.training.distributed import Group
from sigzoo.learning.training.loop import DivergedError, Trainer
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.results import (
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
from sigzoo.learning.training.run_folder import CHECKPOINT, check_folder, make_folder, model_name
from sigzoo.learning.training.validation import Measures
from sigzoo.settings.training_settings import TrainingSettings

__all__ = ["Run", "Task"]


@dataclass(frozen=True)
class Task:
    """What is trained, and how an epoch is measured."""

    trainer: Trainer
    digest: str
    """Of what it learns from."""
    data_description: str
    """What that is, in words."""
    measure: Callable[[], Measures | None]
    """Called in the first process; `None` if the features are not finite."""
    export: Callable[[TrainedNetwork], Mapping[str, Mapping[str, Tensor]]] = lambda network: {}
    """Heads to keep with the weights beside the network's own."""


class Run:
    """One run, put together: its task, and how far it has come.

    Parameters
    ----------
    settings, group
        What to do, and with whom.
    build
        Makes the task; the run's folder has been checked before, so that nothing long is in vain.
    resume
        Go on where the folder's checkpoint stands.
    """

    def __init__(
        self, settings: TrainingSettings, group: Group, build: Callable[[], Task], resume: bool
    ) -> None:
        self._settings, self._group = settings, group
        if settings.precision == "float16" and group.device.type != "cuda":
            raise UsageError("float16 needs a GPU; on a CPU use bfloat16 or float32.")
        if settings.plot:
            _require_plotting()
        self.name = model_name(settings, resume=resume)
        group.on_rank_zero(lambda: check_folder(settings, resume=resume))
        task = build()
        self._trainer, self._digest, self._measure_held_out = task.trainer, task.digest, task.measure
        self._export = task.export
        self._data_description = task.data_description
        self._history: tuple[EpochResult, ...] = ()
        if resume:
            self._restore()
        else:
            group.on_rank_zero(lambda: make_folder(settings))

    def run(self, progress: ProgressLike, on_epoch: Callable[[EpochResult], object] | None) -> TrainingResult:
        """Train what is left of the epochs."""
        settings, folder = self._settings, self._settings.output
        first = len(self._history) + 1
        steps = sum(self._trainer.steps[first - 1 :])
        with bar(progress, steps, "training") as done:
            for number in range(first, settings.epochs + 1):
                result = self._epoch(number, done)
                if on_epoch is not None and self._group.is_rank_zero:
                    on_epoch(result)
        best = [each for each in self._history if each.best][-1]
        self._group.on_rank_zero(self._finish)
        return TrainingResult(
            self.name, folder, folder / WEIGHTS, folder / REGISTRY, folder / LOG, self._history, best
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
            seconds=round(time.perf_counter() - began, 3),
            best=False,
            **{each.name: getattr(measures, each.name) for each in fields(Measures)},
        )
        result = replace(result, best=self._is_best(result))
        self._history += (result,)
        self._group.on_rank_zero(lambda: self._keep(result))
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
        if self._group.is_rank_zero:
            found = self._measure_held_out()
            values = astuple(found) if found else [np.inf] * len(fields(Measures))
            vector = np.array([np.nan if each is None else each for each in values])
        shared = [float(each) for each in self._group.broadcast(vector)]
        if np.isinf(shared).any():
            raise DivergedError(f"The features became NaN or infinite in epoch {number}.")
        return Measures(*(None if np.isnan(each) else each for each in shared))  # type: ignore[arg-type]

    def _is_best(self, result: EpochResult) -> bool:
        """Whether an epoch is no worse than the best before; of equals the last counts (sigver's rule)."""
        before = [each for each in self._history if each.best]
        how = self._settings.select_by
        return not before or _quality(result, how) >= _quality(before[-1], how)

    def _keep(self, result: EpochResult) -> None:
        """Write weights before the checkpoint: a kill between them repeats the epoch and both."""
        folder, trainer = self._settings.output, self._trainer
        if result.best:
            publish(folder, self.name, self._settings, trainer.trained, result, self._export(trainer.trained))
        write_log(folder, self._history)
        state = Checkpoint(
            data=self._digest,
            network=trainer.network.state_dict(),
            optimiser=trainer.optimiser.state_dict(),
            scaler=trainer.scaler.state_dict(),
            history=self._history,
            average=None if trainer.average is None else trainer.average.state_dict(),
        )
        save_checkpoint(folder / CHECKPOINT, state)

    def _restore(self) -> None:
        """Go back to the last checkpoint; without one, the run starts over."""
        path = self._settings.output / CHECKPOINT
        if not path.exists():
            return
        found = load_checkpoint(path)
        if found.data != self._digest:
            raise DataError(f"{path}: the run was trained on other data than {self._data_description} now.")
        trainer = self._trainer
        if found.average is not None:
            trainer.begin_average(len(found.history) - 1)
        restore(found, path, trainer.network, trainer.optimiser, trainer.scaler, trainer.average)
        self._history = found.history

    def _kept(self) -> str:
        done = len(self._history)
        if not done:
            return "No epoch was finished, so nothing is kept. Try a smaller learning_rate, or clip_norm=1."
        return (
            f"The checkpoint of epoch {done} and the best model so far are kept in {self._settings.output}."
            " Try a smaller learning_rate, or clip_norm=1, in another folder."
        )


def _quality(result: EpochResult, how: str) -> tuple[float, float]:
    """What epochs are compared by: the mean over old and new data, and of equals the smaller spread."""
    found: tuple[float | None, ...]
    if how != "accuracy" and how != "eer" and result.verification is not None:
        found, sign = (result.verification, None), -1.0
    elif how == "accuracy" or (how == "auto" and result.accuracy is not None):
        found, sign = (result.accuracy, result.accuracy_new), 1.0
    else:
        found, sign = (result.eer, result.eer_new), -1.0
    values = [sign * each for each in found if each is not None]
    # Rounded, so that means of other fractions that are equal count as equal.
    return round(sum(values) / len(values), 9), -round(max(values) - min(values), 9)


def _require_plotting() -> None:
    from sigzoo.imaging.figures import new_figure

    try:
        new_figure(1, 1)
    except SigzooError as error:
        raise UsageError(f"{error} Or train without --plot.") from error
