"""Checkpoints: the whole state of a run after an epoch, as tensors and plain values alone."""

from __future__ import annotations

import io
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sigzoo.errors import DataError
from sigzoo.learning.files import write_whole
from sigzoo.learning.training.results import EpochResult

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

_FORMAT = 1


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
    try:
        content = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
    try:
        plain = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, some with the advice to read it unsafely
        raise DataError(
            f"{path}: damaged, or no checkpoint, so that the run cannot go on. Put back a copy of it, or"
            " begin anew in another folder (a build: with --force)."
        ) from error
    try:
        if not isinstance(plain, dict):
            raise TypeError(f"holds {type(plain).__name__}")
        if plain["format"] != _FORMAT:
            raise DataError(
                f"{path}: a checkpoint of format {plain['format']!r}, this sigzoo reads {_FORMAT}."
            )
        return Checkpoint(
            data=plain["data"],
            network=dict(plain["network"]),
            optimiser=plain["optimiser"],
            scaler=plain["scaler"],
            history=_history(plain["history"]),
            average=None if plain["average"] is None else dict(plain["average"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: no checkpoint of a training run ({error!r:.200}).") from error


def _history(rows: list[dict[str, Any]]) -> tuple[EpochResult, ...]:
    """The epochs of a checkpoint: numbers throughout, in order, the first one the best so far."""
    history = tuple(EpochResult(**each) for each in rows)
    plain = all(isinstance(value, int | float | None) for each in history for value in astuple(each))
    ordered = [each.epoch for each in history] == list(range(1, len(history) + 1))
    if not (plain and ordered and all(each.best for each in history[:1])):
        raise ValueError("its epochs do not follow each other")
    return history
