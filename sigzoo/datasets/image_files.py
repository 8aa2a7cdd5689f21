"""Image files as signatures: what is known of each by its name, read when it is asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.parallel import ordered_map
from sigzoo.errors import DataError
from sigzoo.imaging import read_and_apply, read_image
from sigzoo.interfaces import GreyImage
from sigzoo.interfaces.data_sources import SignatureSet

__all__ = ["ImageFiles", "NamedFile", "is_folder", "natural"]

_AHEAD = 64


@dataclass(frozen=True)
class NamedFile:
    """An image file, and what its name says."""

    path: Path
    writer: str
    forged: bool
    forger: str | None = None
    """Who forged it, where the name says so."""
    simple: bool = False
    """Whether it is a simple forgery."""
    person: str | None = None
    """Who the writer is, where one person has several identities."""
    text: str | None = None
    """What is written, where several people wrote the same."""
    medium: str | None = None
    """How it was taken."""


class ImageFiles(SignatureSet):
    """Image files whose names say whose signatures they are.

    Parameters
    ----------
    files
        In the order of the set.
    description
        For a model's card.
    """

    def __init__(self, files: Sequence[NamedFile], description: str | None = None) -> None:
        self.files = tuple(files)
        self.writers = [each.writer for each in files]
        self.forged = np.array([each.forged for each in files], bool)
        self.description = description
        self.labels = dict(_labels(files))

    def read(self, index: int) -> GreyImage:
        """Read one file."""
        return read_image(self.files[index].path)

    def prepared(
        self, prepare: Callable[[GreyImage], GreyImage], *, workers: int = 1
    ) -> Iterator[tuple[int, GreyImage]]:
        """Read and preprocess in threads; a warning says which file it is about."""

        def one(file: NamedFile) -> GreyImage:
            return read_and_apply(file.path, 0, prepare)

        yield from enumerate(ordered_map(one, self.files, ahead=_AHEAD))

    def name(self, index: int) -> str:
        """The file's path."""
        return str(self.files[index].path)

    def file_of(self, index: int) -> Path:
        """The file."""
        return self.files[index].path

    def digest(self) -> str:
        """A SHA-256 of what the files are called and hold."""
        found = hashlib.sha256()
        for each in self.files:
            labels = (each.writer, each.forged, each.forger, each.simple, each.person, each.text, each.medium)
            found.update(repr((each.path.name, *labels)).encode("utf-8", "surrogateescape"))
            try:
                found.update(each.path.read_bytes())
            except OSError as error:
                raise DataError(f"{each.path}: cannot be read: {error.strerror or error}.") from error
        return found.hexdigest()


def is_folder(place: str) -> bool:
    """Whether a text is the path of a folder, whatever text it is."""
    try:
        return Path(place).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def natural(path: Path) -> tuple[object, ...]:
    """A key that sorts names by the numbers in them: 2 before 10."""
    parts = re.split(r"(\d+)", path.as_posix())
    return (*(int(part) if at % 2 else part for at, part in enumerate(parts)),)


def _labels(files: Sequence[NamedFile]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The labels that names define, of those of `SignatureSet.labels`."""
    if any(each.forger for each in files):
        yield "hand", _numbered([(each.writer, each.forged, each.forger) for each in files])
    if any(each.simple for each in files):
        yield "simple", np.array([each.simple for each in files], np.int64)
    for name in ("person", "text", "medium"):
        values = [getattr(each, name) for each in files]
        if any(value is not None for value in values):
            yield name, _numbered(values)


def _numbered(keys: Sequence[object]) -> NDArray[np.int64]:
    """Number equal keys alike, in the order of their first appearance."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
