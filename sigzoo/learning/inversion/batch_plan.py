"""Which images are to be made, and which of them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError
from sigzoo.settings.inversion_settings import InversionSettings

__all__ = ["Plan", "make_plan"]

_ORDER = 1
"""Separates these random numbers from those of the images."""


@dataclass(frozen=True)
class Plan:
    """The batches of an inversion, in order."""

    writers: NDArray[np.int64]
    """Outputs of the head for which images are made."""
    batches: tuple[NDArray[np.int64], ...]
    """For each batch the wanted output of each of its images."""

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)


def make_plan(settings: InversionSettings, outputs: int) -> Plan:
    """Share the images out to batches of nearly equal size, each of as many writers as there can be.

    The batches' statistics are compared with those of all training data, so that a batch must not
    be the work of a few. A pass over the writers, in a random order, follows another.

    Parameters
    ----------
    settings
        The writers and how many images of each.
    outputs
        Writers that the teacher's head knows.

    Raises
    ------
    UsageError
        If more or other writers are asked for than there are.
    """
    writers = _wanted(settings, outputs)
    passes = [
        np.random.default_rng([settings.seed, _ORDER, number]).permutation(writers)
        for number in range(settings.per_writer)
    ]
    labels = np.concatenate(passes)
    batches = np.array_split(labels, -(-len(labels) // settings.batch_size))
    return Plan(writers, tuple(batches))


def _wanted(settings: InversionSettings, outputs: int) -> NDArray[np.int64]:
    text, head = settings.writers, f"the writer head of {settings.teacher!r} has {outputs} outputs"
    if text == "ALL":
        return np.arange(outputs, dtype=np.int64)
    first, dash, last = text.partition("-")
    if not dash:
        if not 1 <= int(text) <= outputs:
            raise UsageError(f"writers {text}: {head}; ask for 1 to {outputs} of them, or for ALL.")
        return np.arange(int(text), dtype=np.int64)
    if not int(first) <= int(last) < outputs:
        raise UsageError(
            f"writers {text}: {head}, numbered from 0 to {outputs - 1} (whatever --first-label says);"
            " give the smaller one first."
        )
    return np.arange(int(first), int(last) + 1, dtype=np.int64)
