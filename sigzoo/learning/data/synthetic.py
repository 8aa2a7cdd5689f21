"""Synthetic training data, written on the fly: ``synth:writers=500,genuine=16,forgeries=4,seed=0``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from sigzoo.errors import DataError, ImageError, UnknownNameError, UsageError
from sigzoo.learning.data.in_memory import Item
from sigzoo.learning.data.preparation import Preparation
from sigzoo.synthesis import RENDERINGS, DatasetSpec, SyntheticImage, conditions, generate

__all__ = ["SyntheticSource", "is_synthetic", "parse_synthetic", "synthetic_items"]

_PREFIX = "synth:"
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
            if value not in RENDERINGS:
                raise UnknownNameError("rendering", value, RENDERINGS)
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
    spec = DatasetSpec(
        source.writers, source.genuine, source.forgeries, source.seed, conditions(source.rendering)
    )
    made = 0
    with closing(generate(spec, partial(_item, preparation), workers=workers)) as items:
        for item in items:
            if item is not None:
                made += 1
                yield item
    if not made:
        raise DataError(
            "The preprocessor found no ink on any of the synthetic signatures. Try rendering=office."
        )


def _item(preparation: Preparation, drawn: SyntheticImage) -> Item | None:
    try:
        return Item(preparation(drawn.image), drawn.writer, drawn.kind == "forgery")
    except ImageError:
        return None
