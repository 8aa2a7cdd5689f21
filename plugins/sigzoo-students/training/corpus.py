"""The training corpus: synthetic families of writers, imitators and namesakes, preprocessed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sigzoo_students.preprocessing import SynsigPreprocessor

from sigzoo.errors import ImageError
from sigzoo.synthesis.conditions import varied
from sigzoo.synthesis.writer import Writer

__all__ = ["Corpus", "build", "load_or_build"]


@dataclass(frozen=True)
class Corpus:
    """Preprocessed images and what they are; families share a text."""

    images: NDArray[np.uint8]
    """``(N, h, w)``."""
    family: NDArray[np.int64]
    writer: NDArray[np.int64]
    """Within the family: 0 its first writer, 1 and up namesakes: other hands, the same text."""
    forger: NDArray[np.int64]
    """0 genuine, 1 and up: which forger of that writer."""

    def classes(self) -> NDArray[np.int64]:
        """Number every (writer, forger) apart: a forger's imitations are a class of their own."""
        key = (self.family * 64 + self.writer) * 64 + self.forger
        return np.unique(key, return_inverse=True)[1].astype(np.int64)


def _family(task: tuple[int, int, int]) -> list[tuple[NDArray[np.uint8], int, int, int]]:
    """Make one family: ``(image, family, writer, forger)`` for each of its images."""
    seed, number, genuine = task
    rng = np.random.default_rng([seed, number, 99])
    preprocess = SynsigPreprocessor()
    first = Writer((seed, number), rendering=varied, variation=float(rng.uniform(0.8, 1.9)))
    often = [0.4, 0.3, 0.2, 0.1] if first.text.script != "chinese" else [0.1, 0.3, 0.3, 0.3]
    namesakes = int(rng.choice(4, p=often))
    people = [first, *(first.same_text(k) for k in range(namesakes))]
    made = []
    for who, writer in enumerate(people):
        shots = [(0, i) for i in range(genuine if who == 0 else max(4, (2 * genuine) // 3))]
        if who == 0:
            forgers = int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))
            shots += [(1 + f, i) for f in range(forgers) for i in range(max(4, genuine // 2))]
        for forger, i in shots:
            image = writer.forgery(i, forger - 1) if forger else writer.genuine(i)
            try:
                made.append((preprocess(image), number, who, forger))
            except ImageError:
                continue
    return made


def build(seed: int, families: range, genuine: int, workers: int) -> Corpus:
    """Make the families with these numbers; the result does not depend on `workers`."""
    tasks = [(seed, number, genuine) for number in families]
    rows = list(_run(tasks, workers))
    images, family, writer, forger = zip(*rows, strict=True)
    return Corpus(np.stack(images), np.array(family), np.array(writer), np.array(forger))


def _run(
    tasks: list[tuple[int, int, int]], workers: int
) -> Iterator[tuple[NDArray[np.uint8], int, int, int]]:
    if workers <= 1:
        for task in tasks:
            yield from _family(task)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for made in pool.imap(_family, tasks, chunksize=8):
            yield from made


def load_or_build(cache: Path | None, seed: int, families: range, genuine: int, workers: int) -> Corpus:
    """Read the corpus from `cache` if it was made there before, else make and keep it."""
    if cache is None:
        return build(seed, families, genuine, workers)
    path = cache / f"corpus-{seed}-{families.start}-{families.stop}-{genuine}.npz"
    if not path.exists():
        corpus = build(seed, families, genuine, workers)
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **vars(corpus))
        part.replace(path)
    with np.load(path, allow_pickle=False) as file:
        return Corpus(**{name: file[name] for name in ("images", "family", "writer", "forger")})
