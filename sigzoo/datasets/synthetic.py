"""Synthetic training data, written on the fly: ``synth:writers=500,genuine=16,forgeries=4,seed=0``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import sigzoo.synthesis
from sigzoo.errors import DataError, ImageError, UnknownNameError, UsageError
from sigzoo.interfaces import GreyImage
from sigzoo.interfaces.data_sources import DataSource, SignatureSet
from sigzoo.synthesis import RENDERINGS, DatasetSpec, SyntheticImage, conditions, generate

__all__ = [
    "SyntheticSignatures",
    "SyntheticSource",
    "SyntheticSpec",
    "generator_digest",
    "is_synthetic",
    "parse_synthetic",
]

_PREFIX = "synth:"
_LEAST = {"writers": 2, "genuine": 2, "forgeries": 0, "seed": 0}


@dataclass(frozen=True)
class SyntheticSpec:
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

    def dataset(self) -> DatasetSpec:
        """The same for the generator."""
        return DatasetSpec(self.writers, self.genuine, self.forgeries, self.seed, conditions(self.rendering))


def is_synthetic(source: str) -> bool:
    """Whether a source asks for the generator."""
    return source.startswith(_PREFIX)


def parse_synthetic(source: str) -> SyntheticSpec:
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
    return SyntheticSpec(**values)


class SyntheticSignatures(SignatureSet):
    """Signatures of invented people, drawn when they are read, writer by writer."""

    skip_blank = True

    def __init__(self, spec: SyntheticSpec) -> None:
        self.spec = spec
        self._samples = list(spec.dataset().samples())
        self.writers = [sample.writer for sample in self._samples]
        self.forged = np.array([sample.kind == "forgery" for sample in self._samples], bool)
        self.description = spec.describe()

    def read(self, index: int) -> GreyImage:
        """Draw one."""
        (image,) = generate(self.spec.dataset(), _image, samples=[self._samples[index]])
        return image

    def name(self, index: int) -> str:
        """Whose it is, and which."""
        sample = self._samples[index]
        return f"synthetic writer {sample.writer}, {sample.kind} {sample.index}"

    def prepared(
        self, prepare: Callable[[GreyImage], GreyImage], *, workers: int = 1
    ) -> Iterator[tuple[int, GreyImage]]:
        """Draw and preprocess in several processes; the result does not depend on how many.

        An image on which the preprocessor finds no ink is left out, as bad scans are.

        Raises
        ------
        DataError
            If the preprocessor finds no ink on any.
        """
        made = 0
        with closing(generate(self.spec.dataset(), partial(_prepared, prepare), workers=workers)) as images:
            for index, image in enumerate(images):
                if image is not None:
                    made += 1
                    yield index, image
        if not made:
            raise DataError(
                "The preprocessor found no ink on any of the synthetic signatures. Try rendering=office."
            )

    def digest(self) -> str:
        """A SHA-256 of the spec and the generator's programs."""
        return sha256(f"{self.spec} {generator_digest()}".encode()).hexdigest()


class SyntheticSource(DataSource):
    """The generator of invented people's signatures."""

    example: ClassVar[str] = "synth:writers=500,genuine=16,forgeries=4,seed=0"

    def recognises(self, place: str) -> bool:
        """No place on disk is of this kind."""
        return False

    def open(self, place: str) -> SyntheticSignatures:
        """Take what stands after ``synth:``; see `parse_synthetic`."""
        return SyntheticSignatures(parse_synthetic(f"{_PREFIX}{place}"))


def generator_digest() -> str:
    """A SHA-256 of the programs that draw."""
    folder = Path(sys.modules[sigzoo.synthesis.__name__].__file__ or ".").parent
    return sha256(b"".join(each.read_bytes() for each in sorted(folder.glob("*.py")))).hexdigest()


def _image(drawn: SyntheticImage) -> GreyImage:
    return drawn.image


def _prepared(prepare: Callable[[GreyImage], GreyImage], drawn: SyntheticImage) -> GreyImage | None:
    try:
        return prepare(drawn.image)
    except ImageError:
        return None
