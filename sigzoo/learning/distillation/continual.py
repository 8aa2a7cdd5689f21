"""Continual learning: old and new data as one, and batches that hold an equal part of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import Batch, Size
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.splits import epoch_batches
from sigzoo.learning.training.loop import EpochBatches
from sigzoo.settings.training_settings import TrainingSettings

__all__ = ["JoinedData", "paired"]

_Indices = NDArray[np.int64]


class JoinedData:
    """Signatures of old writers, and behind them those of new ones.

    Parameters
    ----------
    old, new
        The data.
    known
        How many writers the teacher knows: the number of the first new one.
    """

    def __init__(self, old: ImageSet, new: ImageSet, known: int) -> None:
        self._old, self._new = old, new
        self.writers: _Indices = np.concatenate([old.writers, new.writers + known])
        self.forged: _Indices = np.concatenate([old.forged, new.forged])
        self.labels: Mapping[str, _Indices] = {}
        self.white = min(old.white, new.white)

    def __len__(self) -> int:
        return len(self.writers)

    def digest(self) -> str:
        """A SHA-256 over both."""
        return hashlib.sha256(f"{self._old.digest()} {self._new.digest()}".encode()).hexdigest()

    def smallest(self) -> Size:
        """Least height and least width."""
        (h, w), (other_h, other_w) = self._old.smallest(), self._new.smallest()
        return min(h, other_h), min(w, other_w)

    def largest(self) -> Size:
        """Greatest height and greatest width."""
        (h, w), (other_h, other_w) = self._old.largest(), self._new.largest()
        return max(h, other_h), max(w, other_w)

    def batch(self, indices: _Indices, minimum: Size = (1, 1)) -> NDArray[Any]:
        """Copy some images: float32 ``(n, 1, H, W)``, 0 to `white`, each in the middle of the largest."""
        new = indices >= len(self._old)
        parts = [
            (rows, data, data.batch(own, minimum))
            for rows, data, own in (
                (~new, self._old, indices[~new]),
                (new, self._new, indices[new] - len(self._old)),
            )
            if len(own)
        ]
        height, width = (max(images.shape[axis] for _, _, images in parts) for axis in (2, 3))
        out = np.zeros((len(indices), 1, height, width), np.float32)
        for rows, data, images in parts:
            h, w = images.shape[2:]
            top, left = (height - h) // 2, (width - w) // 2
            scaled = images if data.white == self.white else images / np.float32(data.white / self.white)
            out[rows, :, top : top + h, left : left + w] = scaled
        return out


def paired(
    old: _Indices, new: _Indices, writers: NDArray[np.int64], settings: TrainingSettings, processes: int
) -> EpochBatches:
    """Batches of half old and half new signatures; an epoch is a pass over whichever has more batches.

    The other one goes on from where it was and starts over, in another order, whenever it is
    through, so that in the long run all its signatures come equally often. Each process's part of a
    batch holds old and new ones in equal parts, too.

    Parameters
    ----------
    old, new
        Signatures to take.
    writers
        ``(N,)``: whose they are.
    settings
        Size of a batch, seed, and signatures of a writer that stay together.
    processes
        How many share a batch.
    """

    def passed(indices: _Indices, number: int) -> list[_Indices]:
        return epoch_batches(
            indices,
            writers,
            size=settings.batch_size // 2,
            per_writer=settings.per_writer,
            seed=settings.seed,
            epoch=number,
            processes=processes,
        )

    counts = [len(passed(indices, 1)) for indices in (old, new)]
    steps = max(counts)

    def batches(epoch: int) -> list[Batch]:
        sides = []
        for indices, count in zip((old, new), counts, strict=True):
            begin = (epoch - 1) * steps
            numbers = range(begin // count, (begin + steps - 1) // count + 1)
            flat = [batch for number in numbers for batch in passed(indices, number + 1)]
            sides.append(flat[begin % count : begin % count + steps])
        return [Batch(_dealt(ours, theirs, processes)) for ours, theirs in zip(*sides, strict=True)]

    return EpochBatches(batches, lambda epoch: steps)


def _dealt(old: _Indices, new: _Indices, processes: int) -> _Indices:
    """Both halves in one batch, whose parts for the processes hold some of each."""
    halves = zip(np.split(old, processes), np.split(new, processes), strict=True)
    return np.concatenate([part for pair in halves for part in pair])
