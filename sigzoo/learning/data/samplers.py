"""Samplers of our own: signatures in any order, and whole families; and several samplers in one epoch."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError, UsageError
from sigzoo.interfaces.samplers import Batch, SampledData, Sampler
from sigzoo.learning.data.splits import epoch_batches

__all__ = ["FamilySampler", "MixedSampler", "ShuffledSampler"]

Indices = NDArray[np.int64]


class ShuffledSampler(Sampler):
    """Signatures in any order, or those of a writer together; full batches, all of one length.

    Parameters
    ----------
    per_writer
        Signatures of one writer that stay together, as losses over pairs need; 1 draws each by itself.
    part, repeats
        Name of a label that numbers parts of the data, and how often an epoch takes the signatures of
        each part: ``repeats=[1, 4]`` takes those of part 1 four times. By default all once.
    """

    def __init__(self, *, per_writer: int = 1, part: str = "part", repeats: Sequence[int] = ()) -> None:
        if per_writer < 1:
            raise UsageError(f"per_writer must be at least 1, got {per_writer}.")
        self.per_writer, self.part, self.repeats = per_writer, part, _checked(repeats)
        if per_writer > 1 and set(self.repeats) - {1}:
            raise UsageError("per_writer and repeats do not go together: a signature could come twice.")

    def batches(
        self, data: SampledData, *, size: int, seed: int, epoch: int, processes: int = 1
    ) -> list[Batch]:
        """Shuffle an epoch's signatures; see `epoch_batches`."""
        drawn = epoch_batches(
            _repeated(data, self.part, self.repeats),
            data.writers,
            size=size,
            per_writer=self.per_writer,
            seed=seed,
            epoch=epoch,
            processes=processes,
        )
        return [Batch(indices) for indices in drawn]


class FamilySampler(Sampler):
    """Whole families in a batch: of every hand some signatures, as losses over pairs need them.

    A family is what is hard to tell apart: writers of one text with their forgers, say. Each batch is of
    one part of the data, and its kind says which: ``part-0``, ``part-1``, ...

    Parameters
    ----------
    family, hand
        Names of the labels that number families, and hands in them: who held the pen.
    role, most
        Name of the label that says what a hand is, from 0, and how many signatures of a hand of each role
        an epoch takes at most; by default a writer 4, another writer of the same text 2, a forger 3.
    part, repeats
        Name of the label that numbers parts of the data, and how often an epoch takes the families of each.
    """

    def __init__(
        self,
        *,
        family: str = "family",
        hand: str = "hand",
        role: str = "role",
        most: Sequence[int] = (4, 2, 3),
        part: str = "part",
        repeats: Sequence[int] = (),
    ) -> None:
        if not most or min(most) < 1:
            raise UsageError(f"most must be numbers of at least 1, got {list(most)}.")
        self.family, self.hand, self.role, self.part = family, hand, role, part
        self.most, self.repeats = tuple(most), _checked(repeats)

    def kinds(self, data: SampledData) -> Sequence[str]:
        """One for each part that has signatures to draw."""
        return [f"part-{number}" for number in np.unique(data.label(self.part)[data.indices])]

    def batches(
        self, data: SampledData, *, size: int, seed: int, epoch: int, processes: int = 1
    ) -> list[Batch]:
        """Draw the batches of one part after the other, of about `size` signatures in whole families.

        Where processes share a batch, each one's part is of whole families too, cut to the length of the
        shortest.
        """
        rng = np.random.default_rng([seed, epoch, 4])
        parts = data.label(self.part)
        drawn: list[Batch] = []
        for number in np.unique(parts[data.indices]):
            units = _split(data.indices[parts[data.indices] == number], data.label(self.family))
            for _ in range(_times(self.repeats, int(number))):
                chosen = [self._drawn(data, units[place], rng) for place in rng.permutation(len(units))]
                drawn += [Batch(indices, f"part-{number}") for indices in _packed(chosen, size, processes)]
        if not drawn:
            raise DataError(
                f"The families are too small for batches that {processes} processes share: each needs 2"
                " signatures in every batch."
            )
        return drawn

    def _drawn(self, data: SampledData, unit: Indices, rng: np.random.Generator) -> Indices:
        """Draw some signatures of each hand of a family."""
        shuffled = rng.permutation(unit)
        roles = data.label(self.role).clip(max=len(self.most) - 1)
        hands = _split(shuffled, data.label(self.hand))
        return np.concatenate([own[: self.most[roles[own[0]]]] for own in hands])


class MixedSampler(Sampler):
    """The batches of several samplers, in turn at random.

    Parameters
    ----------
    samplers
        Whose batches an epoch holds, each of them all.
    """

    def __init__(self, samplers: Sequence[Sampler]) -> None:
        self.samplers = tuple(samplers)

    def kinds(self, data: SampledData) -> Sequence[str]:
        """Those of all samplers."""
        return list(dict.fromkeys(kind for each in self.samplers for kind in each.kinds(data)))

    def batches(
        self, data: SampledData, *, size: int, seed: int, epoch: int, processes: int = 1
    ) -> list[Batch]:
        """Draw each sampler's batches and mix them."""
        drawn = [
            batch
            for each in self.samplers
            for batch in each.batches(data, size=size, seed=seed, epoch=epoch, processes=processes)
        ]
        order = np.random.default_rng([seed, epoch, crc32(b"mixed")]).permutation(len(drawn))
        return [drawn[place] for place in order]


def _checked(repeats: Sequence[int]) -> tuple[int, ...]:
    if any(each < 0 for each in repeats) or (repeats and not any(repeats)):
        raise UsageError(f"repeats must be numbers from 0, not all 0, got {list(repeats)}.")
    return tuple(repeats)


def _times(repeats: Sequence[int], part: int) -> int:
    return repeats[part] if part < len(repeats) else 1


def _repeated(data: SampledData, part: str, repeats: Sequence[int]) -> Indices:
    """The signatures of an epoch, those of some parts several times."""
    if not set(repeats) - {1} or not len(data.indices):
        return data.indices
    parts = data.label(part)[data.indices]
    times = np.array([_times(repeats, int(number)) for number in range(int(parts.max()) + 1)])
    return np.repeat(data.indices, times[parts])


def _split(indices: Indices, labels: NDArray[np.int64]) -> list[Indices]:
    """Indices by label, in the order of the labels, each group in the order given."""
    together = indices[np.argsort(labels[indices], kind="stable")]
    return np.split(together, np.flatnonzero(np.diff(labels[together])) + 1)


def _packed(units: Sequence[Indices], size: int, processes: int) -> list[Indices]:
    """Join units to batches of about `size`."""
    share = max(1, size // processes)
    ends = np.cumsum([len(unit) for unit in units]) // share
    cuts = np.flatnonzero(np.diff(ends)) + 1
    parts = [
        np.concatenate([units[place] for place in places]) for places in np.split(np.arange(len(units)), cuts)
    ]
    shared = [parts[first : first + processes] for first in range(0, len(parts), processes)]
    least = [min(map(len, group)) for group in shared]
    return [
        np.concatenate([part[:count] for part in group])
        for group, count in zip(shared, least, strict=True)
        if len(group) == processes and count >= 2
    ]
