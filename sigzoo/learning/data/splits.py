"""Which signatures are trained on and which are held out, and in what order an epoch takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError
from sigzoo.learning.data.in_memory import ImageSet

__all__ = ["Split", "epoch_batches", "split_per_writer"]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Indices of signatures, in their order."""

    training: Indices
    validation: Indices


def split_per_writer(data: ImageSet, share: float, seed: int) -> Split:
    """Hold out a share of each writer's genuine signatures, and of the forgeries of each.

    Of two signatures and more at least one is held out and at least one stays; of a single one none
    is held out. Decided by the seed, writer by writer, so that another writer's images change nothing.

    Raises
    ------
    DataError
        If no writer has two genuine signatures.
    """
    held: list[Indices] = []
    for kind in (0, 1):
        for own in _by_writer(np.flatnonzero(data.forged == kind), data.writers):
            if len(own) < 2:
                continue
            count = min(max(1, round(share * len(own))), len(own) - 1)
            rng = np.random.default_rng([seed, kind, int(data.writers[own[0]])])
            held.append(rng.permutation(own)[:count])
    validation = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
    if not (data.forged[validation] == 0).any():
        raise DataError(
            "No writer has two genuine signatures, so none can be held out to tell which epoch is best."
        )
    return Split(np.setdiff1d(np.arange(len(data)), validation), validation)


def epoch_batches(
    indices: Indices,
    writers: NDArray[np.int64],
    *,
    size: int,
    per_writer: int,
    seed: int,
    epoch: int,
    processes: int = 1,
) -> list[Indices]:
    """Shuffle an epoch's signatures into batches, the same in every process.

    All batches are equally large, so that the mean over processes is the mean over the batch; what
    is left over at the end comes with another order in the next epoch.

    Parameters
    ----------
    indices
        Signatures to take.
    writers
        ``(N,)``: whose they are, by index.
    size
        Signatures in a batch; fewer where there are fewer, and a multiple of `processes`.
    per_writer
        Signatures of one writer that stay together.
    seed, epoch
        Decide the order.
    processes
        How many share a batch.

    Raises
    ------
    DataError
        If a process would get a single signature of a batch, or no writer has `per_writer` of them.
    """
    rng = np.random.default_rng([seed, epoch, 1])
    order = rng.permutation(indices)
    if per_writer > 1:
        order = _grouped(order, writers, per_writer, rng)
    whole = min(size, len(order))
    unit = processes * per_writer if whole >= processes * per_writer else processes
    size = whole // unit * unit
    if size < 2 * processes:
        raise DataError(
            f"{len(order)} signatures to train on, in batches of at most {whole}, are too few: each of"
            f" {processes} processes needs 2 in every batch."
        )
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


def _grouped(
    order: Indices, writers: NDArray[np.int64], per_writer: int, rng: np.random.Generator
) -> Indices:
    """Bring `per_writer` signatures of a writer together; a writer's rest waits for another epoch."""
    groups = [
        own[start : start + per_writer]
        for own in _by_writer(order, writers)
        for start in range(0, len(own) - per_writer + 1, per_writer)
    ]
    if not groups:
        raise DataError(f"No writer has {per_writer} signatures to train on, as per_writer asks.")
    return np.concatenate([groups[number] for number in rng.permutation(len(groups))])


def _by_writer(indices: Indices, writers: NDArray[np.int64]) -> list[Indices]:
    """The signatures of each writer, in the order given."""
    together = indices[np.argsort(writers[indices], kind="stable")]
    starts = np.unique(writers[together], return_index=True)[1]
    return np.split(together, starts[1:]) if len(together) else []
