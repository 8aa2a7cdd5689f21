"""Images on their way into a packed data set: kept beside it, so that a killed run goes on after them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.atomic import remove_leftovers, whole_file, write_error
from sigzoo.common.job_records import begin_or_check
from sigzoo.data.npz import open_npz
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.errors import DataError, SigzooError
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.interfaces.images import GreyImage

__all__ = ["part_folder", "prepared_images"]

_PART = 256
"""Images that are kept together: what a killed run has to prepare again."""

_Prepare = Callable[[GreyImage], GreyImage]


def part_folder(path: Path) -> Path:
    """Where images wait for the file `path`."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def prepared_images(
    opened: SignatureSet, prepare: _Prepare, path: Path, *, resume: dict[str, Any] | None, workers: int
) -> Iterator[Iterator[tuple[int, GreyImage]]]:
    """Give the prepared images of a data set, in order, each with its index; see `SignatureSet.prepared`.

    Parameters
    ----------
    opened, prepare, workers
        The set, the preprocessing, and processes of a source that computes images.
    path
        The file that they are for.
    resume
        What decides the images beside the set, as plain data: they are then kept in `part_folder` until the
        block ends well, and those that are there already are taken from it. `None` to keep none.

    Raises
    ------
    UsageError
        If images that are there are of another set or were prepared otherwise.
    DataError
        If they are damaged, or cannot be kept.
    """
    if resume is None:
        yield opened.prepared(prepare, workers=workers)
        return
    folder = part_folder(path)
    begin_or_check(folder, "_job.json", {**resume, "signatures": _names_digest(opened)})
    remove_leftovers(folder)
    yield _kept_parts(opened, prepare, folder, workers=workers)
    shutil.rmtree(folder, ignore_errors=True)


def _kept_parts(
    opened: SignatureSet, prepare: _Prepare, folder: Path, *, workers: int
) -> Iterator[tuple[int, GreyImage]]:
    """The prepared images, those kept in a folder first; the others are kept there as they come."""
    done = 0
    while (part := _part(folder, done)).exists():
        yield from _read(part)
        done += 1
    rest = _From(opened, done * _PART)
    images = rest.prepared(prepare, workers=workers)
    waiting: list[tuple[int, GreyImage]] = []
    for index, image in images:
        # Blank images are left out of what comes, so that a part ends where an index is beyond it.
        while index + rest.first >= (done + 1) * _PART:
            yield from _write(_part(folder, done), waiting)
            done, waiting = done + 1, []
        waiting.append((index + rest.first, image))
    yield from _write(_part(folder, done), waiting)


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:08d}.npz"


def _write(path: Path, images: list[tuple[int, GreyImage]]) -> list[tuple[int, GreyImage]]:
    with whole_file(path, durable=False, failure=_unwritable) as file, ArrayWriter(file) as archive:
        archive.add("indices", np.array([index for index, _ in images], np.int64))
        archive.add("sizes", np.array([image.shape for _, image in images], np.int64).reshape(-1, 2))
        pixels = [np.ascontiguousarray(image).reshape(-1) for _, image in images]
        archive.add("pixels", np.concatenate([np.empty(0, np.uint8), *pixels]))
    return images


def _read(path: Path) -> Iterator[tuple[int, GreyImage]]:
    with open_npz(path) as file:
        missing = [name for name in ("indices", "sizes", "pixels") if name not in file]
        if missing:
            raise DataError(f"{path}: is damaged; remove it, and the images are prepared again.")
        indices, sizes = file["indices"].read(), file["sizes"].read()
        pixels, at = file["pixels"], 0
        for index, (height, width) in zip(indices.tolist(), sizes.tolist(), strict=True):
            flat: NDArray[np.uint8] = pixels.rows(at, at + height * width)
            yield index, flat.reshape(height, width)
            at += height * width


class _From(SignatureSet):
    """A data set from some signature on."""

    def __init__(self, opened: SignatureSet, first: int) -> None:
        self._opened, self.first = opened, min(first, len(opened))
        self.writers, self.forged = opened.writers[self.first :], opened.forged[self.first :]
        self.preprocessed, self.computed = opened.preprocessed, opened.computed
        self.skip_blank, self.canvas = opened.skip_blank, opened.canvas

    def read(self, index: int) -> GreyImage:
        return self._opened.read(index + self.first)

    def read_many(self, indices: Any) -> Iterator[GreyImage]:
        return self._opened.read_many([index + self.first for index in indices])

    def name(self, index: int) -> str:
        return self._opened.name(index + self.first)

    def file_of(self, index: int) -> Path | None:
        return self._opened.file_of(index + self.first)


def _names_digest(opened: SignatureSet) -> str:
    """What the set is, told without reading an image: names, writers, and the files' sizes and times."""
    found = hashlib.sha256()
    for index in range(len(opened)):
        file, facts = opened.file_of(index), ""
        if file is not None:
            try:
                status = file.stat()
            except OSError as error:
                raise DataError(f"{file}: cannot be read: {error.strerror or error}.") from error
            facts = f"{status.st_size} {status.st_mtime_ns}"
        line = f"{opened.name(index)}\0{opened.writers[index]}\0{bool(opened.forged[index])}\0{facts}\n"
        found.update(line.encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def _unwritable(path: Path, error: OSError) -> SigzooError:
    return write_error(path, error, kind=DataError)
