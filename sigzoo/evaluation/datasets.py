"""Folders of signature images whose file names tell what they are."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sigzoo.errors import DataError
from sigzoo.evaluation.protocols import Signatures

__all__ = ["ImageSet", "crossmedia", "sigcomp2009"]


@dataclass(frozen=True)
class ImageSet:
    """Image files and what they are, in the same order."""

    files: tuple[Path, ...]
    known: Signatures


def sigcomp2009(folder: Path | str) -> ImageSet:
    """Read the layout of SigComp2009: ``AAABBB_NNN.png``, written by AAA, claiming to be BBB.

    Parameters
    ----------
    folder
        Searched with everything below it.

    Raises
    ------
    DataError
        If the folder is missing or holds no such files.
    """
    files = []
    for path in _images(folder):
        name = path.stem.split("_")[0]
        if len(name) == 6 and name.isdigit():
            files.append(path)
    if not files:
        raise DataError(
            f"{folder} holds no images named AAABBB_NNN.png (written by AAA, claiming to be BBB)."
        )
    claimed = [path.stem[3:6] for path in files]
    forged = [path.stem[:3] != path.stem[3:6] for path in files]
    return ImageSet(tuple(files), Signatures(claimed, claimed, forged))


def crossmedia(folder: Path | str, splits: Collection[str] = ("test",)) -> ImageSet:
    """Read the layout of crossmedia: ``wNNN/<medium>_<NN>.png``, ``splits.csv`` beside.

    Every volunteer wrote the same names, so an identity is a writer with a name.

    Parameters
    ----------
    folder
        Holds ``splits.csv`` and a folder for each writer.
    splits
        Which of ``train``, ``val`` and ``test`` to read.

    Raises
    ------
    DataError
        If the folder, its ``splits.csv`` or the images are missing.
    """
    table = Path(folder) / "splits.csv"
    if not table.is_file():
        raise DataError(f"{table} is missing: it says which writer belongs to train, val or test.")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"writer", "split"} <= set(rows[0]):
        raise DataError(f"{table} must have columns writer and split.")
    chosen = {row["writer"] for row in rows if row["split"] in set(splits)}
    files = [path for path in _images(folder) if path.parent.name in chosen and "_" in path.stem]
    if not files:
        raise DataError(f"{folder} holds no images of the split {' or '.join(sorted(splits))}.")
    writer = [path.parent.name for path in files]
    medium, text = zip(*(path.stem.rsplit("_", 1) for path in files), strict=True)
    identity = [f"{w} {t}" for w, t in zip(writer, text, strict=True)]
    return ImageSet(tuple(files), Signatures(identity, writer, [False] * len(files), text, medium))


def _images(folder: Path | str) -> list[Path]:
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"there is no folder {root}.")
    return sorted(path for path in root.rglob("*.png") if path.is_file())
