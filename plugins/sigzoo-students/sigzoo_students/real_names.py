"""Crossmedia as training data: names that volunteers wrote, each by each a signature of its own."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from sigzoo.evaluation.datasets import crossmedia
from sigzoo.imaging import read_image
from sigzoo.interfaces import DataError, DataSource, GreyImage, SignatureSet

__all__ = ["NameSignatures", "NameSource"]


class NameSignatures(SignatureSet):
    """A split of crossmedia; an identity is a writer with a name, and a family of its own.

    Its labels are ``person``, ``text``, ``medium`` and ``family``.

    Parameters
    ----------
    folder
        Holds ``splits.csv`` and a folder for each writer.
    split
        ``train``, ``val`` or ``test``.
    """

    def __init__(self, folder: Path, split: str) -> None:
        found = crossmedia(folder, [split])
        self.files, known = found.files, found.known
        assert known.text is not None
        assert known.medium is not None
        person, text, medium = (
            np.unique(each, return_inverse=True)[1].astype(np.int64)
            for each in (known.writer, known.text, known.medium)
        )
        claimed = text * (person.max() + 1) + person
        self.writers = claimed.tolist()
        self.forged = np.zeros(len(self.files), bool)
        self.labels = {"person": person, "text": text, "medium": medium, "family": claimed}
        self.description = (
            f"the {split} split of crossmedia (names written by volunteers;"
            " github.com/dishangti/Cross-media-Signatures, MIT, Copyright (c) 2023; Luo et al.,"
            " doi 10.1002/aisy.202300439)"
        )

    def read(self, index: int) -> GreyImage:
        """Read one file."""
        return read_image(self.files[index])

    def name(self, index: int) -> str:
        """The file's path."""
        return str(self.files[index])


class NameSource(DataSource):
    """Crossmedia's folder and one of its splits: ``synsig-names:split=train,FOLDER``."""

    example: ClassVar[str] = "synsig-names:split=train,FOLDER"

    def recognises(self, place: str) -> bool:
        """A folder alone does not say which split: it is named by the source's name only."""
        return False

    def open(self, place: str) -> NameSignatures:
        """Read the names of a split's files.

        Raises
        ------
        DataError
            If it names no split, or the folder is missing or of another layout.
        """
        split, _, folder = place.removeprefix("split=").partition(",")
        if not place.startswith("split=") or not folder:
            raise DataError(f"synsig-names:{place}: say which split, and where: {self.example}.")
        return NameSignatures(Path(folder).expanduser(), split)
