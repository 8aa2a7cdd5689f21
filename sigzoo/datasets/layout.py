"""The base of published layouts: names say whose a file is; what the publication has is known by number."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypeAlias, get_args

from sigzoo.datasets.completeness import Completeness, LeftOut, ranges
from sigzoo.datasets.identical import identical_files, left_out_copies
from sigzoo.datasets.image_files import ImageFiles, NamedFile, is_folder, natural
from sigzoo.errors import DataError
from sigzoo.imaging import find_images
from sigzoo.imaging.image_formats import SUFFIXES
from sigzoo.interfaces.data_sources import DataSource
from sigzoo.interfaces.images import Size

__all__ = ["Kind", "Part", "PublishedFiles", "PublishedLayout", "Slot", "peek"]

_PEEK = 2_000
"""Most names that are looked at to recognise a layout."""

Kind: TypeAlias = Literal["genuine", "skilled", "simple"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which the published programs read them."""


class Slot(NamedTuple):
    """A file as a publication numbers it."""

    part: str
    """Which of several sets that number their writers alike; empty where there is one."""
    writer: int
    kind: Kind
    number: int
    forger: int | None = None
    """Who forged it, where the name says so."""


@dataclass(frozen=True)
class Part:
    """Writers of a data set of whom there are equally many files."""

    name: str
    """As in `Slot.part`."""
    writers: range | int
    """Their numbers, or how many they are, where the publication gives no more."""
    numbers: Mapping[Kind, range]
    """Numbers of each writer's files."""
    forgers: range | None = field(default=None)
    """Numbers of the forgers, where each forged every writer, so many times."""

    def slots(self, writer: int) -> Iterator[Slot]:
        """All files of a writer."""
        for kind, numbers in self.numbers.items():
            forgers = [None] if kind == "genuine" or self.forgers is None else list(self.forgers)
            yield from (Slot(self.name, writer, kind, n, forger) for forger in forgers for n in numbers)


class PublishedFiles(ImageFiles):
    """The files of a published data set, and how they compare with the publication."""

    def __init__(self, files: Sequence[NamedFile], completeness: Completeness, canvas: Size | None) -> None:
        super().__init__(files)
        self.completeness = completeness
        self.canvas = canvas


class PublishedLayout(DataSource):
    """A data set whose file names say whose signature each is and whether it is forged.

    A subclass sets `title`, `example`, `pattern` and `parts`, and names its files in `file_name`.
    """

    title: ClassVar[str]
    """What the data set is called."""
    pattern: ClassVar[re.Pattern[str]]
    """Matches the whole of a file's name without its suffix. Groups: ``writer``, ``number``, one of
    ``genuine`` and ``forged``; ``part`` where there are several sets, ``forger`` where the name has him."""
    parts: ClassVar[tuple[Part, ...]] = ()
    """What the publication has; empty where it gives no numbers."""
    canvas: ClassVar[Size | None] = None
    """Height and width of the canvas that publications use for it."""
    names_are_unique: ClassVar[bool] = True
    """Whether two files of one name, in different folders, are one signature."""
    leaves_out_identical: ClassVar[bool] = False
    """Whether byte-identical files are left out, for a release that is known to hold copies."""

    def recognises(self, place: str) -> bool:
        """Whether a folder's images are named as those of the data set, the first few thousand of them."""
        if not is_folder(place):
            return False
        folder = Path(place).expanduser()
        try:
            found = [self.slot(path, folder) for path in peek(folder)]
        except Exception:  # a place that cannot be read is not recognised; whoever opens it says why
            return False
        return bool(found) and 2 * sum(each is not None for each in found) > len(found)

    def open(self, place: str) -> PublishedFiles:
        """Read the names.

        They come writer by writer, genuine ones first, and in the order of their numbers, as the published
        programs read them.

        Files of other names are left out, and so are further copies of a file; `completeness` of what is
        returned says which, and what is missing.

        Raises
        ------
        DataError
            If the folder is missing, none of its files is named as the data set names them, a file lies
            where its name says it should not, or two different files have one name.
        UsageError
            If it holds no image.
        """
        folder = Path(place).expanduser()
        if not is_folder(place):
            raise DataError(f"{place}: there is no such folder.")
        images = find_images([folder])
        named = [(self.slot(path, folder), path) for path in images]
        known = [(slot, path) for slot, path in named if slot is not None]
        for slot, path in known:
            self.check(path, forged=slot.kind != "genuine")
        if not known:
            raise DataError(
                f"{place}: none of its {len(images)} images is named as {self.title} names its files"
                f" ({self.example}). Where this is another data set, say --data folder:PATH."
            )
        left_out = [
            LeftOut(path, f"not named as {self.title} names its files")
            for slot, path in named
            if slot is None
        ]
        kept, copies = self._first_of_each(known)
        left_out += copies
        if self.leaves_out_identical:
            kept, copies = left_out_copies(kept)
            left_out += copies
        kept.sort(key=lambda each: (self.writer_name(each[0]), KINDS.index(each[0].kind), natural(each[1])))
        files = [self._named(*each) for each in kept]
        return PublishedFiles(files, self._compare(known, folder, tuple(left_out)), self.canvas)

    def slot(self, path: Path, folder: Path) -> Slot | None:
        """What a file's name says; `None` where it is not named as the data set names its files."""
        found = self.pattern.fullmatch(path.stem)
        if found is None:
            return None
        parts = found.groupdict()
        kind: Kind = "genuine" if parts.get("forged") is None else "skilled"
        forger = parts.get("forger")
        return Slot(
            (parts.get("part") or "").upper(),
            int(parts["writer"]),
            kind,
            int(parts["number"]),
            None if forger is None else int(forger),
        )

    def check(self, path: Path, *, forged: bool) -> None:
        """Refuse a file that lies where its name says it should not; by default anything may be anywhere."""
        return None

    def file_name(self, slot: Slot) -> str:
        """The name without suffix that the publication gives a file, for messages."""
        raise NotImplementedError

    def part_name(self, part: str) -> str:
        """What one of several sets is called, for messages."""
        return f"the part {part}"

    def writer_name(self, slot: Slot) -> str:
        """What a writer is called."""
        return f"{slot.part}{slot.writer:04d}"

    def expected(self, found: set[Slot]) -> Iterator[Slot]:
        """The files that the publication has of those writers of whom something is found."""
        writers = {(slot.part, slot.writer) for slot in found}
        for part in self.parts:
            for name, writer in sorted(writers):
                if name == part.name and (isinstance(part.writers, int) or writer in part.writers):
                    yield from part.slots(writer)

    def counts(self, found: Sequence[Slot]) -> Iterator[str]:
        """What differs from counts, where the publication gives no numbers."""
        for part in self.parts:
            writers = {slot.writer for slot in found if slot.part == part.name}
            if isinstance(part.writers, int) and len(writers) != part.writers and writers:
                yield f"{len(writers)} writers are there, the publication has {part.writers}"

    def _named(self, slot: Slot, path: Path) -> NamedFile:
        return NamedFile(
            path,
            self.writer_name(slot),
            slot.kind != "genuine",
            None if slot.forger is None else str(slot.forger),
            simple=slot.kind == "simple",
        )

    def _first_of_each(
        self, known: Sequence[tuple[Slot, Path]]
    ) -> tuple[list[tuple[Slot, Path]], list[LeftOut]]:
        """Of files of one name the first, where all hold the same."""
        if not self.names_are_unique:
            return list(known), []
        kept: dict[Slot, Path] = {}
        left_out: list[LeftOut] = []
        for slot, path in known:
            first = kept.setdefault(slot, path)
            if first is path:
                continue
            if not identical_files(first, path):
                raise DataError(
                    f"{path}: another file says that it is the same signature, {first}, and they differ. Take"
                    " one away, or name the folder that holds one data set."
                )
            left_out.append(LeftOut(path, "the same file as", first))
        return list(kept.items()), left_out

    def _compare(
        self, known: Sequence[tuple[Slot, Path]], folder: Path, left_out: tuple[LeftOut, ...]
    ) -> Completeness:
        found = {slot for slot, _ in known}
        if not self.parts:
            notes = tuple(self.counts(list(found)))
            return Completeness(self.title, folder, left_out=left_out, notes=notes)
        expected = set(self.expected(found))
        nameless = {slot._replace(forger=None) for slot in found}
        missing = sorted(each for each in expected if each not in found and each not in nameless)
        bare = {each._replace(forger=None) for each in expected}
        surplus = [path for slot, path in known if not {slot, slot._replace(forger=None)} & bare]
        return Completeness(
            self.title,
            folder,
            tuple(self.file_name(each) for each in missing),
            tuple(self._missing_writers(found)),
            tuple(surplus),
            left_out,
            tuple(self.counts(list(found))),
        )

    def _missing_writers(self, found: set[Slot]) -> Iterator[str]:
        """Writers of whom there is nothing, part by part."""
        numbers: dict[str, set[int]] = {}
        for part in self.parts:
            if isinstance(part.writers, range):
                numbers.setdefault(part.name, set()).update(part.writers)
        for name, writers in numbers.items():
            there = {slot.writer for slot in found if slot.part == name}
            if there or len(numbers) == 1 or not found:
                label = f"{name} writer" if name else "writer"
                yield from (f"{label} {run}" for run in ranges(writers - there))
            else:
                yield self.part_name(name)


def peek(folder: Path, most: int = _PEEK) -> list[Path]:
    """The first images below a folder, in the order of their names, without a look into any."""

    def walk() -> Iterator[Path]:
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                    yield Path(place) / name

    return list(islice(walk(), most))
