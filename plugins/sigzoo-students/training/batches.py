"""Batches in which every writer comes with several signatures, and with forgers and namesakes beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from corpus import REAL, Corpus
from numpy.typing import NDArray

__all__ = ["Batches"]

_GENUINE, _NAMESAKE, _FORGER = 4, 2, 3
"""Most images of a family's first writer, of each namesake, and of each forger, in a batch."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Batches:
    """Batches of one corpus each, of several that were joined."""

    corpora: Sequence[Corpus]
    size: int
    """Images of a batch, about."""
    repeats: Sequence[int]
    """How often an epoch takes each corpus."""

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[int, Indices]]:
        """Draw the batches of one epoch: which corpus, and places in the joined one."""
        batches: list[tuple[int, Indices]] = []
        first = 0
        for number, (corpus, repeats) in enumerate(zip(self.corpora, self.repeats, strict=True)):
            units = _units(corpus)
            for _ in range(repeats):
                drawn = [_drawn(corpus, units[i], rng) for i in rng.permutation(len(units))]
                ends = np.cumsum([len(each) for each in drawn]) // self.size
                cuts = np.flatnonzero(np.diff(ends)) + 1
                for part in np.split(np.arange(len(drawn)), cuts):
                    batches.append((number, first + np.concatenate([drawn[i] for i in part])))
            first += len(corpus.images)
        for i in rng.permutation(len(batches)):
            yield batches[i]


def _units(corpus: Corpus) -> list[Indices]:
    """What is drawn together: a synthetic family, or a real volunteer's writings of one name."""
    real = corpus.family >= REAL
    key = np.where(real, corpus.family * 4096 + corpus.writer, corpus.family * 4096)
    order = np.argsort(key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def _drawn(corpus: Corpus, unit: Indices, rng: np.random.Generator) -> Indices:
    """Draw some images of each hand of a unit."""
    shuffled = rng.permutation(unit)
    hand = corpus.writer[shuffled] * 64 + corpus.forger[shuffled]
    chosen = []
    for each in np.unique(hand):
        writer, forger = divmod(int(each), 64)
        first = writer == 0 or corpus.family[unit[0]] >= REAL
        most = _FORGER if forger else _GENUINE if first else _NAMESAKE
        chosen.append(shuffled[hand == each][:most])
    return np.concatenate(chosen)
