"""Batches of any images, or in which every writer comes with several signatures, forgers and namesakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from corpus import REAL, Corpus
from numpy.typing import NDArray

__all__ = ["Batch", "draw_batches", "shuffled_batches"]

_GENUINE, _NAMESAKE, _FORGER = 4, 2, 3
"""Most images of a family's first writer, of each namesake, and of each forger, in a batch."""

Indices = NDArray[np.int64]
Batch = tuple[int | None, Indices]
"""The number of the corpus that a batch is of, none for any, and places in all corpora joined."""


def draw_batches(
    corpora: Sequence[Corpus], size: int, repeats: Sequence[int], rng: np.random.Generator
) -> list[Batch]:
    """Draw the batches of one epoch, each of one corpus, one corpus after the other.

    Parameters
    ----------
    corpora
        Of different families; they are joined in this order.
    size
        Images of a batch, about.
    repeats
        How often the epoch takes each corpus.
    rng
        Source of chance.

    Returns
    -------
    list
        For each batch the number of its corpus, and places in the joined one.
    """
    batches: list[Batch] = []
    first = 0
    for number, (corpus, times) in enumerate(zip(corpora, repeats, strict=True)):
        units = _units(corpus)
        for _ in range(times):
            drawn = [_drawn(corpus, units[i], rng) for i in rng.permutation(len(units))]
            ends = np.cumsum([len(each) for each in drawn]) // size
            for part in np.split(np.arange(len(drawn)), np.flatnonzero(np.diff(ends)) + 1):
                batches.append((number, first + np.concatenate([drawn[i] for i in part])))
        first += len(corpus.images)
    return batches


def shuffled_batches(
    corpora: Sequence[Corpus], size: int, repeats: Sequence[int], rng: np.random.Generator
) -> list[Batch]:
    """Draw the batches of one epoch, of all images of all corpora in any order; see `draw_batches`.

    Up to `size` - 1 images are left over, others each time.
    """
    sizes = [len(corpus.images) for corpus in corpora]
    firsts = np.cumsum([0, *sizes[:-1]])
    places = np.concatenate(
        [
            np.tile(np.arange(first, first + count), times)
            for first, count, times in zip(firsts, sizes, repeats, strict=True)
        ]
    )
    order = rng.permutation(places)
    batches = max(1, len(order) // size)
    return [(None, each) for each in np.split(order[: batches * size], batches)]


def _units(corpus: Corpus) -> list[Indices]:
    """What is drawn together: a synthetic family, or a real volunteer's writings of one name."""
    key = corpus.family * 4096 + np.where(corpus.family >= REAL, corpus.writer, 0)
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
