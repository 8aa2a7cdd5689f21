"""Folders of signature images as protocols want them: the files, and what is known of each.

For places of any layout see `sigzoo.datasets.open_data` and `sigzoo.datasets.known_signatures`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sigzoo.datasets.published.crossmedia import named_files
from sigzoo.datasets.published.sigcomp import SigComp2009
from sigzoo.evaluation.protocols import Signatures

__all__ = ["ImageSet", "crossmedia", "sigcomp2009"]


@dataclass(frozen=True)
class ImageSet:
    """Image files and what they are, in the same order."""

    files: tuple[Path, ...]
    known: Signatures


def sigcomp2009(folder: Path | str) -> ImageSet:
    """Read SigComp2009; see `sigzoo.datasets.published.sigcomp.SigComp2009`.

    Parameters
    ----------
    folder
        Searched with everything below it.

    Returns
    -------
    ImageSet
        By path.

    Raises
    ------
    DataError
        If the folder is missing or holds no such files.
    UsageError
        If it holds no image.
    """
    files = sorted(SigComp2009().open(str(folder)).files, key=lambda each: each.path)
    claimed = [each.writer for each in files]
    known = Signatures(claimed, claimed, [each.forged for each in files])
    return ImageSet(tuple(each.path for each in files), known)


def crossmedia(folder: Path | str, splits: Collection[str] = ("test",)) -> ImageSet:
    """Read crossmedia; see `sigzoo.datasets.published.crossmedia.CrossMedia`.

    Every volunteer wrote the same names, so an identity is a writer with a name.

    Parameters
    ----------
    folder
        Holds ``splits.csv`` and a folder for each writer.
    splits
        Which of ``train``, ``val`` and ``test`` to read.

    Returns
    -------
    ImageSet
        By path.

    Raises
    ------
    DataError
        If the folder, its ``splits.csv`` or the images are missing.
    UsageError
        If a split is none of these.
    """
    files = named_files(Path(folder), splits)
    known = Signatures(
        [each.writer for each in files],
        [each.person or each.writer for each in files],
        [False] * len(files),
        tuple(each.text or "" for each in files),
        tuple(each.medium or "" for each in files),
    )
    return ImageSet(tuple(each.path for each in files), known)
