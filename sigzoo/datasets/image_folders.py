"""Folders of images as data sources: what the names of files and folders say, and whether they contradict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.image_files import ImageFiles, NamedFile, is_folder
from sigzoo.errors import DataError
from sigzoo.imaging import find_images
from sigzoo.interfaces.data_sources import DataSource

__all__ = ["ImageFolder"]

_FLAT = re.compile(r"(w\d+)_([gf])\d+")
_GENUINE = frozenset({"genuine", "genuines", "original", "originals", "org", "real"})
_FORGED = frozenset({"forgery", "forgeries", "forged", "forge", "skilled", "simple", "fake", "fakes", "forg"})
_SAYS_FORGED = re.compile(r"forg|fake|fraud|simulat|imitat|skilled", re.IGNORECASE)
_SAYS_KIND = re.compile(
    r"(^|[^a-z])(org|orig|originals?|genuines?|reals?|forg(e|ed|er|ery|eries|eds)?|fakes?|skilled)([^a-z]|$)",
    re.IGNORECASE,
)
_HOW = (
    "Name genuine signatures w001_g01.png and forgeries w001_f01.png, or use a folder for each writer with"
    " folders `genuine` and `forgeries` in it, or with the word `forged` in the names of forgeries."
)


class ImageFolder(DataSource):
    """A folder of images named ``w001_g01.png``, or with a folder for each writer.

    In a writer's folder lie folders ``genuine`` and ``forgeries``, or images, of which those count as forged
    whose name says so in a word of its own.
    """

    example: ClassVar[str] = "a folder of images"
    general: ClassVar[bool] = True

    def recognises(self, place: str) -> bool:
        """Whether it is a folder."""
        return is_folder(place)

    def open(self, place: str) -> ImageFiles:
        """Tell whose signatures the files are, from their names or the folders they lie in.

        Raises
        ------
        DataError
            If a name does not say it, or says that what would be a writer, or genuine, is forged.
        """
        if not is_folder(place):
            raise DataError(f"{place}: there is no such folder.")
        folder = Path(place).expanduser()
        files = find_images([folder])
        flat = [path for path in files if path.parent == folder]
        if flat and len(flat) < len(files):
            raise DataError(
                f"{folder}: holds images beside folders of images ({flat[0].name}, for one). Name them all"
                " w001_g01.png and w001_f01.png, or put all into a folder for each writer."
            )
        if flat:
            return ImageFiles([_from_name(path) for path in flat])
        named = [_from_folder(path, folder) for path in files]
        _check_names(named)
        return ImageFiles(named)


def _from_name(path: Path) -> NamedFile:
    found = _FLAT.fullmatch(path.stem)
    if found is None:
        raise DataError(f"{path}: its name does not say whose signature it is. {_HOW}")
    return NamedFile(path, found.group(1), found.group(2) == "f")


def _from_folder(path: Path, folder: Path) -> NamedFile:
    writer, *below = path.relative_to(folder).parts[:-1]
    if _SAYS_KIND.search(writer):
        raise DataError(
            f"{folder / writer}: its name tells genuine signatures from forgeries, so that it is no writer's"
            f" folder, and the files in it are of no layout that is known ({path.name}, for one). {_HOW}"
        )
    kind = below[0].lower() if len(below) == 1 else None
    if below and kind not in _GENUINE | _FORGED:
        raise DataError(
            f"{path}: a writer's folder holds images, or folders `genuine` and `forgeries`, not"
            f" {'/'.join(below)}."
        )
    return NamedFile(path, writer, kind in _FORGED if below else _named_forged(path.stem))


def _named_forged(stem: str) -> bool:
    """Whether a loose file's name says, in a word of its own, that it is a forgery (``Anna fake 2``)."""
    words = set(re.findall(r"[^\W\d_]+", stem.lower()))
    return bool(words & (_FORGED - {"simple"})) and not words & _GENUINE


def _check_names(files: Sequence[NamedFile]) -> None:
    """Refuse files that would count as genuine while their names say, or hint, that they are not."""
    for each in files:
        if not each.forged and _SAYS_FORGED.search(each.path.stem):
            raise DataError(
                f"{each.path}: its name says that it is a forgery, and it lies where genuine signatures do."
                f" {_HOW}"
            )
    loose: dict[str, Counter[str]] = {}
    for each in files:
        if each.path.parent.name == each.writer and not each.forged:
            loose.setdefault(each.writer, Counter())[_marks(each.path.stem)] += 1
    for writer, marks in loose.items():
        other = [mark for mark in marks if "f" in mark.split()]
        if other and len(marks) > 1:
            raise DataError(
                f"{files[0].path.parent.parent / writer}: its files have names of several kinds"
                f" ({', '.join(repr(mark) for mark in sorted(marks))}), as where some are forgeries, and"
                f" nothing says which. {_HOW}"
            )


def _marks(stem: str) -> str:
    """The letters of a name, ``cf`` of ``cf-001-02`` as ``f``: what is left when numbers are taken away."""
    letters = re.findall(r"[^\W\d_]+", stem.lower())
    return " ".join("f" if each in ("f", "cf", "sf") else each for each in letters)
