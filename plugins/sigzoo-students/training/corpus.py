"""The training corpus: synthetic families of writers, imitators and namesakes, preprocessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy as np
import sigzoo_students.preprocessing
from numpy.typing import NDArray
from sigzoo_students.preprocessing import SynsigPreprocessor

import sigzoo.synthesis
from sigzoo.common.parallel import process_map
from sigzoo.errors import ImageError
from sigzoo.evaluation.datasets import crossmedia
from sigzoo.imaging import read_image
from sigzoo.synthesis.conditions import Rendering, varied
from sigzoo.synthesis.writer import Writer

__all__ = ["Corpus", "Family", "build", "joined", "load_or_build", "real_names"]


HELD_OUT = 1_000_000
"""Number of the first family kept for validation."""
REAL = 2_000_000
"""Number of the first family of real names."""


@dataclass(frozen=True)
class Corpus:
    """Preprocessed images and what they are; families share a text."""

    images: NDArray[np.uint8]
    """``(N, h + 3, w)``: the picture, and the ink's statistics in the rows below it."""
    family: NDArray[np.int64]
    writer: NDArray[np.int64]
    """Within the family: 0 its first writer, 1 and up namesakes: other hands, the same text."""
    forger: NDArray[np.int64]
    """0 genuine, 1 and up: which forger of that writer."""

    def classes(self) -> NDArray[np.int64]:
        """Number every (writer, forger) apart: a forger's imitations are a class of their own."""
        key = (self.family * 64 + self.writer) * 64 + self.forger
        return np.unique(key, return_inverse=True)[1].astype(np.int64)

    def claimed(self) -> NDArray[np.int64]:
        """Number every writer apart: whose signature an image is, or claims to be."""
        return np.unique(self.family * 64 + self.writer, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Family:
    """What decides one family."""

    seed: int
    number: int
    genuine: int = 6
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


def _images(family: Family) -> list[tuple[NDArray[np.uint8], int, int, int]]:
    """Make one family: ``(image, family, writer, forger)`` for each of its images."""
    preprocess, genuine, rng = SynsigPreprocessor(statistics=True), family.genuine, family.rng()
    rng.uniform()  # the variation, which `person` draws
    script = family.person().text.script
    often = [0.4, 0.3, 0.2, 0.1] if script != "chinese" else [0.1, 0.3, 0.3, 0.3]
    made = []
    for who in range(1 + int(rng.choice(4, p=often))):
        hands = [(0, genuine if who == 0 else max(4, (2 * genuine) // 3))]
        if who == 0:
            forgers = int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))
            hands += [(1 + f, max(4, genuine // 2)) for f in range(forgers)]
        for forger, count in hands:
            writer = family.person(who, forger)
            for i in range(count):
                image = writer.forgery(i, forger - 1) if forger else writer.genuine(i)
                try:
                    made.append((preprocess(image), family.number, who, forger))
                except ImageError:
                    continue
    return made


def build(seed: int, families: range, genuine: int, workers: int, *, sittings: bool = False) -> Corpus:
    """Make the families with these numbers; the result does not depend on `workers`."""
    tasks = [Family(seed, number, genuine, sittings) for number in families]
    made = process_map(_images, tasks, workers=workers)
    images, family, writer, forger = zip(*chain.from_iterable(made), strict=True)
    return Corpus(np.stack(images), np.array(family), np.array(writer), np.array(forger))


def load_or_build(
    cache: Path | None, seed: int, families: range, genuine: int, workers: int, *, sittings: bool = False
) -> Corpus:
    """Read the corpus from `cache` if the same programs made it there before, else make and keep it."""
    if cache is None:
        return build(seed, families, genuine, workers, sittings=sittings)
    kind = "-sittings" if sittings else ""
    numbers = f"{seed}-{families.start}-{families.stop}-{genuine}"
    path = cache / f"corpus-{numbers}{kind}-{_makers()}.npz"
    if not path.exists():
        corpus = build(seed, families, genuine, workers, sittings=sittings)
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **vars(corpus))
        part.replace(path)
    with np.load(path, allow_pickle=False) as file:
        return Corpus(**{name: file[name] for name in ("images", "family", "writer", "forger")})


def _makers() -> str:
    """Digest of the programs that decide what a corpus holds."""
    folder = Path(sigzoo.synthesis.__file__).parent
    programs = [*sorted(folder.glob("*.py")), Path(sigzoo_students.preprocessing.__file__), Path(__file__)]
    return sha256(b"".join(each.read_bytes() for each in programs)).hexdigest()[:8]


def real_names(folder: Path, split: str) -> Corpus:
    """Read a split of crossmedia: each name is a family, whose writers are the volunteers."""
    images = crossmedia(folder, [split])
    assert images.known.text is not None
    preprocess = SynsigPreprocessor(statistics=True)
    canvases = [preprocess(read_image(path)) for path in images.files]
    text, writer = (
        np.unique(each, return_inverse=True)[1] for each in (images.known.text, images.known.writer)
    )
    return Corpus(np.stack(canvases), REAL + text, writer, np.zeros(len(text), np.int64))


def joined(parts: Sequence[Corpus]) -> Corpus:
    """Several corpora of different families as one."""
    if len(parts) == 1:
        return parts[0]
    return Corpus(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )
