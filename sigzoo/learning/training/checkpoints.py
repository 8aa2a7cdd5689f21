"""Checkpoints: the whole state of a run after an epoch, as tensors and plain values alone.

They are read as weight files are: described by an interpreter of ours, never by torch's own reader, and
compared with the run that is to go on from them before anything of it is changed.
"""

from __future__ import annotations

import io
import os
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from sigzoo.common.limits import MAX_CHECKPOINT, MAX_CHECKPOINT_INSTRUCTIONS, MAX_TEXT
from sigzoo.common.messages import listed, quoted
from sigzoo.errors import DataError, WeightsError
from sigzoo.learning.files import write_whole
from sigzoo.learning.training.averaging import WeightAverage
from sigzoo.learning.training.optimiser_state import check_optimiser, check_scaler, check_tensors
from sigzoo.learning.training.results import EpochResult
from sigzoo.weights import load_into
from sigzoo.weights.torch_files import read_torch_file

__all__ = ["Checkpoint", "load_checkpoint", "restore", "save_checkpoint"]

_FORMAT = 1
_COLUMNS = frozenset(each.name for each in fields(EpochResult))


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands. Random numbers need no place in it: they follow from seed and epoch."""

    data: str
    """Digest of the training data."""
    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    scaler: dict[str, Any]
    history: tuple[EpochResult, ...]
    """The epochs that are done."""
    average: dict[str, Any] | None = None
    """Averaged weights, where there are any."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one that was there stays until the new one is whole.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    content = io.BytesIO()
    plain = {
        "format": _FORMAT,
        "data": checkpoint.data,
        "network": checkpoint.network,
        "optimiser": checkpoint.optimiser,
        "scaler": checkpoint.scaler,
        "history": [asdict(each) for each in checkpoint.history],
        "average": checkpoint.average,
    }
    torch.save(plain, content)
    write_whole(path, content.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it can run.

    Raises
    ------
    DataError
        If it cannot be read, is damaged, or is no checkpoint of a training run.
    """
    content = _content(path)
    try:
        file = read_torch_file(
            content, str(path), error=DataError, instructions=MAX_CHECKPOINT_INSTRUCTIONS, may_share=True
        )
        plain = file.with_tensors(file.value)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ").rstrip(".")
        raise DataError(
            f"{path}: damaged, or no checkpoint, so that the run cannot go on ({reason}). Put back a copy"
            " of it, or begin anew in another folder (a build: with --force)."
        ) from error
    try:
        return _checkpoint(plain)
    except (ValueError, msgspec.ValidationError) as error:
        raise DataError(
            f"{path}: no checkpoint of a training run that this sigzoo made: {error!s:.300}."
        ) from error


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is a folder or device, not a file.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_CHECKPOINT:
                raise DataError(f"{path}: {size} bytes, more than any checkpoint has; refused.")
            return file.read(size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _checkpoint(plain: Any) -> Checkpoint:
    keys = {"format", "data", "network", "optimiser", "scaler", "history", "average"}
    if not isinstance(plain, dict) or "format" not in plain:
        raise ValueError("it has no format")
    if type(plain["format"]) is not int or plain["format"] != _FORMAT:
        raise ValueError(f"its format is {quoted(plain['format'])}, this sigzoo reads {_FORMAT}")
    if set(plain) != keys:
        raise ValueError(f"it holds {listed(sorted(map(str, plain)))}, not {listed(sorted(keys))}")
    if type(plain["data"]) is not str or len(plain["data"]) > MAX_TEXT:
        raise ValueError("the digest of its data is no text")
    for part in ("network", "optimiser", "scaler"):
        if not isinstance(plain[part], dict):
            raise ValueError(f"its {part} is {quoted(plain[part])}, not a dict")
    if plain["average"] is not None and not isinstance(plain["average"], dict):
        raise ValueError(f"its average is {quoted(plain['average'])}, not a dict")
    return Checkpoint(
        data=plain["data"],
        network=plain["network"],
        optimiser=plain["optimiser"],
        scaler=plain["scaler"],
        history=_history(plain["history"]),
        average=plain["average"],
    )


def _history(rows: Any) -> tuple[EpochResult, ...]:
    """The epochs of a checkpoint: of the types that they have, in order, the first one the best so far."""
    if type(rows) is not list or not rows:
        raise ValueError("it has no epochs")
    history = []
    for row in rows:
        if not isinstance(row, dict) or not set(row) <= _COLUMNS:
            raise ValueError("an epoch of it is no row of this sigzoo's numbers")
        _check_numbers(row)
        history.append(msgspec.convert(row, EpochResult))
    if [each.epoch for each in history] != list(range(1, len(history) + 1)) or not history[0].best:
        raise ValueError("its epochs do not follow each other")
    return tuple(history)


def _check_numbers(value: Any) -> None:
    """Refuse what no log has, before the types of a row are looked at."""
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            _check_numbers(each)
    elif not isinstance(value, int | float | str | None):
        raise ValueError(f"an epoch of it has {quoted(value)} in place of a number")
    elif (isinstance(value, int) and abs(value) > 2**53) or (
        isinstance(value, float) and not isfinite(value)
    ):
        raise ValueError("an epoch of it has a number that is not finite, or of too many digits")


def restore(
    checkpoint: Checkpoint,
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: WeightAverage | None = None,
) -> None:
    """Put a checkpoint's state into the parts of a run; nothing is changed unless all of it fits.

    Parameters
    ----------
    checkpoint
        What `load_checkpoint` read.
    path
        The file, for messages.
    network, optimiser, scaler, average
        The run's own, as they are built from its settings.

    Raises
    ------
    DataError
        If a part is not the one that this run would have written; names the file and what differs.
    """
    try:
        check_optimiser(checkpoint.optimiser, optimiser)
        check_scaler(checkpoint.scaler, scaler)
        if (checkpoint.average is None) != (average is None):
            raise ValueError("it has averaged weights where this run has none, or none where it has")
        if average is not None:
            check_tensors(checkpoint.average or {}, average.state_dict(), "averaged weights")
        if not all(isinstance(value, Tensor) for value in checkpoint.network.values()):
            raise ValueError("its network holds something else than tensors")
        load_into(network, checkpoint.network, source=str(path))
    except (ValueError, WeightsError) as error:
        reason = str(error).removeprefix(f"{path}: ").rstrip(".")
        raise DataError(
            f"{path}: does not fit the network and settings of this run: {reason:.400}. Put back a copy"
            " of it, or begin anew in another folder."
        ) from error
    optimiser.load_state_dict(checkpoint.optimiser)
    scaler.load_state_dict(checkpoint.scaler)
    if average is not None and checkpoint.average is not None:
        average.load_state_dict(checkpoint.average)
