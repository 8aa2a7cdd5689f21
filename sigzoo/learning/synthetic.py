"""Synthetic training data, written on the fly: ``synth:writers=500,genuine=16,forgeries=4,seed=0``."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from sigzoo.errors import DataError, ImageError, UnknownNameError, UsageError
from sigzoo.learning.data import Item
from sigzoo.learning.preparation import Preparation

__all__ = ["SyntheticSource", "is_synthetic", "parse_synthetic", "synthetic_items"]

_PREFIX = "synth:"
_RENDERINGS = ("varied", "office")
_LEAST = {"writers": 2, "genuine": 2, "forgeries": 0, "seed": 0}


@dataclass(frozen=True)
class SyntheticSource:
    """How many invented people write how much."""

    writers: int = 500
    genuine: int = 16
    forgeries: int = 0
    seed: int = 0
    rendering: str = "varied"

    def describe(self) -> str:
        """Say for a card what the data are."""
        forged = f" and {self.forgeries} forgeries" if self.forgeries else ""
        return (
            f"synthetic signatures of sigzoo.synthesis ({self.writers} writers, {self.genuine} genuine"
            f" signatures{forged} each, {self.rendering} rendering, seed {self.seed}); no person's signature"
        )


def is_synthetic(source: str) -> bool:
    """Whether a source asks for the generator."""
    return source.startswith(_PREFIX)


def parse_synthetic(source: str) -> SyntheticSource:
    """Read ``synth:writers=500,genuine=16,forgeries=4,seed=0,rendering=varied``; all have defaults.

    Raises
    ------
    UnknownNameError
        If it names something else.
    UsageError
        If a value is no whole number, or too small.
    """
    values: dict[str, Any] = {}
    for part in filter(None, source.removeprefix(_PREFIX).split(",")):
        key, _, value = part.partition("=")
        if key == "rendering":
            if value not in _RENDERINGS:
                raise UnknownNameError("rendering", value, _RENDERINGS)
            values[key] = value
        elif key not in _LEAST:
            raise UnknownNameError("part of a synthetic source", key, [*_LEAST, "rendering"])
        elif not (value.isascii() and value.isdigit()) or int(value) < _LEAST[key]:
            raise UsageError(
                f"{source}: {key} must be a whole number of at least {_LEAST[key]}, got {value!r}."
            )
        else:
            values[key] = int(value)
    return SyntheticSource(**values)


def synthetic_items(source: SyntheticSource, preparation: Preparation, workers: int = 1) -> Iterator[Item]:
    """Write and preprocess signatures, writer by writer; the result does not depend on `workers`.

    An image on which the preprocessor finds no ink is left out, as bad scans are.

    Raises
    ------
    DataError
        If the preprocessor finds no ink on any.
    """
    tasks = [(source, number, preparation) for number in range(1, source.writers + 1)]
    made = 0
    for items in _run(tasks, workers):
        made += len(items)
        yield from items
    if not made:
        raise DataError(
            "The preprocessor found no ink on any of the synthetic signatures. Try rendering=office."
        )


_Task = tuple[SyntheticSource, int, Preparation]


def _run(tasks: list[_Task], workers: int) -> Iterator[list[Item]]:
    if workers <= 1:
        for task in tasks:
            yield _writer_items(task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        yield from pool.map(_writer_items, tasks, chunksize=4)


def _writer_items(task: _Task) -> list[Item]:
    """One writer's signatures: those that `sigzoo.synthesis.generate` gives for this number."""
    from sigzoo.synthesis import Writer, office, varied

    source, number, preparation = task
    writer = Writer((source.seed, number), rendering=varied if source.rendering == "varied" else office)
    drawn = [(writer.genuine, index, False) for index in range(1, source.genuine + 1)]
    drawn += [(writer.forgery, index, True) for index in range(1, source.forgeries + 1)]
    items = []
    for draw, index, forged in drawn:
        try:
            items.append(Item(preparation(draw(index)), number, forged))
        except ImageError:
            continue
    return items
