"""Cross-media signatures: 100 people wrote the same ten names on paper and three kinds of screen."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from sigzoo.datasets.image_files import ImageFiles, NamedFile, is_folder
from sigzoo.datasets.layout import peek
from sigzoo.errors import DataError, UsageError
from sigzoo.imaging import find_images
from sigzoo.interfaces.data_sources import DataSource

__all__ = ["TABLE", "CrossMedia", "named_files"]

TABLE = "splits.csv"
_SPLITS = ("train", "val", "test")
_NAME = re.compile(r"(?P<medium>[A-Za-z]+)_(?P<text>\d+)")
_WRITER = re.compile(r"w\d+")


class CrossMedia(DataSource):
    """Cross-media signatures, with ``splits.csv``: ``w001/paper_01.png``; ``FOLDER#val`` for a split.

    Luo, Pu, Yin, Liu, Tan, Zhang, Hu, *Is There a Difference between Paper and Electronic Chinese
    Signatures?*, Advanced Intelligent Systems 5, 2023. An identity is a writer with a name; there are no
    forgeries, but other writers' images of the same name.
    """

    example: ClassVar[str] = "FOLDER#val (with splits.csv and w001/paper_01.png in it)"

    def recognises(self, place: str) -> bool:
        """Whether the folder has the table, and images are named so."""
        folder = _split(place)[0]
        if not is_folder(folder):
            return False
        try:
            there = (Path(folder).expanduser() / TABLE).is_file()
            found = [_NAME.fullmatch(path.stem) for path in peek(Path(folder).expanduser(), 100)]
        except OSError:
            return False
        return there and bool(found) and 2 * sum(each is not None for each in found) > len(found)

    def open(self, place: str) -> ImageFiles:
        """Read the names of all splits, or of those after ``#`` (``val``, ``train+val``).

        Raises
        ------
        DataError
            If the folder, the table or the images are missing.
        UsageError
            If there is no such split.
        """
        folder, chosen = _split(place)
        return ImageFiles(named_files(Path(folder).expanduser(), chosen or _SPLITS))


def named_files(folder: Path, splits: Collection[str] = _SPLITS) -> list[NamedFile]:
    """The images of some splits, by path.

    Raises
    ------
    DataError
        If the folder, its ``splits.csv`` or the images are missing.
    UsageError
        If a split is none of ``train``, ``val`` and ``test``.
    """
    unknown = sorted(set(splits) - set(_SPLITS))
    if unknown:
        raise UsageError(f"{folder}: there is no split {unknown[0]!r}; splits are {', '.join(_SPLITS)}.")
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder (it must hold {TABLE}).")
    wanted = _writers(folder / TABLE, splits)
    files = [
        NamedFile(
            path,
            f"{path.parent.name} {found['text']}",
            forged=False,
            person=path.parent.name,
            text=found["text"],
            medium=found["medium"],
        )
        for path in _images(folder)
        if path.parent.name in wanted and (found := _NAME.fullmatch(path.stem)) is not None
    ]
    if not files:
        raise DataError(f"{folder}: holds no images of the split {' or '.join(sorted(splits))}.")
    return files


def _images(folder: Path) -> list[Path]:
    try:
        return sorted(find_images([folder]))
    except UsageError:
        return []


def _writers(table: Path, splits: Collection[str]) -> set[str]:
    """Folders of the writers that a table puts into some splits."""
    if not table.is_file():
        raise DataError(f"{table}: missing; it says which writer belongs to train, val or test.")
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read: {error}.") from error
    if not rows or not {"writer", "split"} <= set(rows[0]):
        raise DataError(f"{table}: must have columns writer and split.")
    return {
        row["writer"] for row in rows if row["split"] in splits and _WRITER.fullmatch(row["writer"] or "")
    }


def _split(place: str) -> tuple[str, tuple[str, ...]]:
    """The folder, and the splits named after ``#``; a folder of that very name wins."""
    folder, mark, splits = place.rpartition("#")
    if not mark or is_folder(place):
        return place, ()
    return folder, tuple(splits.split("+"))
