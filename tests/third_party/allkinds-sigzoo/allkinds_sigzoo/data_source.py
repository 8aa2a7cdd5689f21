"""The data source: a table of image files, signatures.csv."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

from sigzoo.interfaces import DataError, DataSource, GreyImage, ImageError, SignatureSet, check_grey

__all__ = ["AllkindsSource"]

TABLE = "signatures.csv"


class AllkindsSignatures(SignatureSet):
    """The files of a table with the columns ``file``, ``writer`` and ``forged`` (0 or 1)."""

    def __init__(self, table: Path) -> None:
        try:
            with table.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            self._files = [table.parent / row["file"] for row in rows]
            self.writers = [row["writer"] for row in rows]
            self.forged = np.array([int(row["forged"]) for row in rows], bool)
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise DataError(f"{table}: expected the columns file, writer, forged: {error}.") from error
        if not len(self):
            raise DataError(f"{table}: holds no signatures.")

    def read(self, index: int) -> GreyImage:
        """Read one image; see `sigzoo.interfaces.SignatureSet`."""
        try:
            with Image.open(self._files[index]) as image:
                return check_grey(np.asarray(image.convert("L")))
        except OSError as error:
            raise ImageError(f"{self.name(index)}: cannot be read: {error}.") from error

    def name(self, index: int) -> str:
        """The file."""
        return str(self._files[index])


class AllkindsSource(DataSource):
    """A folder that holds ``signatures.csv``."""

    example = "FOLDER (with signatures.csv in it)"

    def recognises(self, place: str) -> bool:
        """Whether the table is there."""
        return os.path.isfile(os.path.join(place, TABLE))  # noqa: PTH113, PTH118 a name too long raises nothing

    def open(self, place: str) -> SignatureSet:
        """Read the table; the images are read when they are asked for."""
        return AllkindsSignatures(Path(place) / TABLE)
