"""Synthetic families: writers of one text, their forgers, and others who write the same, as training data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

import sigzoo.synthesis
from sigzoo.interfaces import DataSource, GreyImage, SignatureSet, UnknownNameError, UsageError
from sigzoo.interfaces.data_sources import ANOTHER_WRITER, FORGER, WRITER
from sigzoo.synthesis import Rendering, Writer, varied

__all__ = ["FamiliesSpec", "Family", "FamilySignatures", "FamilySource", "parse_families"]

_HANDS = 64
"""More writers of a family, and more forgers of a writer, than there ever are."""


@dataclass(frozen=True)
class Family:
    """What decides one family."""

    seed: int
    number: int
    genuine: int = 6
    """Genuine signatures of the first writer."""
    sittings: bool = False
    """Whether all images of one hand have one pen and one scan, as when a person signs in one sitting;
    else each image has its own."""

    def rendering(self, who: int, forger: int) -> Rendering:
        """Draw the conditions under which a hand writes.

        Most families that sign in sittings are scanned on one machine, and some write with one pen: else
        a forger would be known by his scanner. Their scans have more pixels, as those of data sets have.
        """
        if not self.sittings:
            return varied
        (pen, scan), (first_pen, first_scan) = (
            varied(np.random.default_rng([self.seed, self.number, 98, *hand]))
            for hand in ((who, forger), (0, 0))
        )
        one_pen, one_scan = np.random.default_rng([self.seed, self.number, 97]).random(2) < (0.4, 0.8)
        scan = first_scan if one_scan else scan
        conditions = first_pen if one_pen else pen, replace(scan, dpi=1.5 * scan.dpi)
        return lambda _: conditions

    def person(self, who: int = 0, forger: int = 0) -> Writer:
        """The family's first writer (0) or a namesake; as `forger` draws them where that is not 0.

        Within one sitting writers differ little in how much they vary; else no one threshold is right.
        """
        least, most = (0.85, 1.3) if self.sittings else (0.7, 1.9)
        variation = float(np.exp(self.rng().uniform(np.log(least), np.log(most))))
        first = Writer((self.seed, self.number), rendering=self.rendering(who, forger), variation=variation)
        return first.same_text(who - 1) if who else first

    def rng(self) -> np.random.Generator:
        """What else is random about the family; its first number is the writers' variation."""
        return np.random.default_rng([self.seed, self.number, 99])

    def hands(self) -> Iterator[tuple[int, int, int]]:
        """Writer, forger and number of signatures of each hand; forger 0 is the writer himself."""
        rng, genuine = self.rng(), self.genuine
        rng.uniform()  # the variation, which `person` draws
        often = [0.1, 0.3, 0.3, 0.3] if self.person().text.script == "chinese" else [0.4, 0.3, 0.2, 0.1]
        for who in range(1 + int(rng.choice(4, p=often))):
            yield who, 0, genuine if who == 0 else max(4, (2 * genuine) // 3)
            if who == 0:
                for forger in range(int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))):
                    yield who, 1 + forger, max(4, genuine // 2)


@dataclass(frozen=True)
class FamiliesSpec:
    """Which families; as they are written after ``synsig-families:``."""

    families: int = 4000
    first: int = 0
    """Number of the first family."""
    genuine: int = 6
    sittings: bool = False
    seed: int = 2026


class _Sample(NamedTuple):
    family: int
    who: int
    forger: int
    number: int


class FamilySignatures(SignatureSet):
    """The signatures of families, drawn when they are read.

    Its labels are ``hand``, ``family``, ``role`` and ``text``.
    """

    computed = True
    skip_blank = True

    def __init__(self, spec: FamiliesSpec) -> None:
        self.spec = spec
        self._samples = [
            _Sample(number, who, forger, index)
            for number in range(spec.first, spec.first + spec.families)
            for who, forger, count in self._family(number).hands()
            for index in range(count)
        ]
        family, who, forger, _ = np.array(self._samples, np.int64).T
        claimed = family * _HANDS + who
        self.writers = claimed.tolist()
        self.forged = forger > 0
        self.labels = {
            "hand": claimed * _HANDS + forger,
            "family": family,
            "role": np.where(forger > 0, FORGER, np.where(who > 0, ANOTHER_WRITER, WRITER)).astype(np.int64),
            "text": family,
        }
        self.description = "synthetic signatures of sigzoo.synthesis alone; no person's signature"

    def read(self, index: int) -> GreyImage:
        """Draw one."""
        (image,) = self.read_many([index])
        return image

    def read_many(self, indices: Sequence[int]) -> Iterator[GreyImage]:
        """Draw some; neighbours are of one hand mostly, who is made once."""

        @lru_cache(maxsize=1)
        def person(family: int, who: int, forger: int) -> Writer:
            return self._family(family).person(who, forger)

        for place in indices:
            family, who, forger, index = self._samples[place]
            writer = person(family, who, forger)
            yield writer.forgery(index, forger - 1) if forger else writer.genuine(index)

    def name(self, index: int) -> str:
        """Which family, whose hand, and which signature."""
        family, who, forger, number = self._samples[index]
        hand = f"writer {who}" + (f", forger {forger}" if forger else "")
        return f"synthetic family {family}, {hand}, signature {number}"

    def digest(self) -> str:
        """A SHA-256 of the spec and of the programs that draw."""
        folder = Path(sys.modules[sigzoo.synthesis.__name__].__file__ or ".").parent
        programs = [*sorted(folder.glob("*.py")), Path(__file__)]
        return sha256(repr(self.spec).encode() + b"".join(each.read_bytes() for each in programs)).hexdigest()

    def _family(self, number: int) -> Family:
        return Family(self.spec.seed, number, self.spec.genuine, self.spec.sittings)


class FamilySource(DataSource):
    """Synthetic families: ``synsig-families:families=4000,first=0,genuine=6,sittings=no,seed=2026``."""

    example: ClassVar[str] = "synsig-families:families=4000,genuine=6,sittings=no,seed=2026"

    def recognises(self, place: str) -> bool:
        """No place on disk is of this kind."""
        return False

    def open(self, place: str) -> FamilySignatures:
        """Take what stands after ``synsig-families:``; see `parse_families`."""
        return FamilySignatures(parse_families(place))


_TRUTH = {"yes": True, "no": False}
_LEAST = {"families": 2, "first": 0, "genuine": 2, "seed": 0}


def parse_families(text: str) -> FamiliesSpec:
    """Read ``families=4000,first=0,genuine=6,sittings=no,seed=2026``; all have defaults.

    Raises
    ------
    UnknownNameError
        If it names something else.
    UsageError
        If a value is no whole number, too small, or neither yes nor no.
    """
    read: dict[str, Callable[[str], Any]] = {
        "sittings": lambda value: _TRUTH[value],
        **dict.fromkeys(_LEAST, _whole),
    }
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in read:
            raise UnknownNameError("part of synthetic families", key, read)
        try:
            values[key] = read[key](value)
        except (KeyError, ValueError):
            wanted = "yes or no" if key == "sittings" else "a whole number"
            raise UsageError(f"synsig-families: {key} must be {wanted}, got {value!r}.") from None
        if key in _LEAST and values[key] < _LEAST[key]:
            raise UsageError(f"synsig-families: {key} must be at least {_LEAST[key]}, got {value}.")
    return FamiliesSpec(**values)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)
