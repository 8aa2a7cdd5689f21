"""Images of an ``.npz`` beside image files: raw ones, or preprocessed ones that `sigzoo preprocess` wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sigzoo.data.npz import open_npz
from sigzoo.data.signature_npz import SignatureData
from sigzoo.errors import DataError, UsageError
from sigzoo.imaging.finding import find_images
from sigzoo.imaging.sources import ImageSource, StoredImage, source_name

__all__ = ["ImageInputs", "find_inputs", "write_preprocessed"]

PREPROCESSING = "preprocessing"
"""Array of a file that holds preprocessed images: the model whose preprocessing it was."""


@dataclass(frozen=True)
class ImageInputs:
    """Images that a command was given.

    Attributes
    ----------
    sources
        Paths, and images of npz files, which are read when they are needed.
    preprocessed_by
        The model whose preprocessing they have been through; `None` for raw images.
    """

    sources: Sequence[ImageSource]
    preprocessed_by: str | None = None

    @property
    def paths(self) -> list[Path]:
        """A path for each, to name it by; images of an npz are ``file.npz/3``, or named as the file says."""
        return [Path(source_name(each, index)) for index, each in enumerate(self.sources)]

    def preprocessed_for(self, model: str) -> bool:
        """Whether they are preprocessed for a model.

        Raises
        ------
        UsageError
            If they are for another one.
        """
        if self.preprocessed_by not in (None, model):
            raise UsageError(f"These images are preprocessed for {self.preprocessed_by}, not for {model}.")
        return self.preprocessed_by is not None


class _File:
    """One npz, read an image at a time from any thread."""

    def __init__(self, path: Path) -> None:
        self._data = SignatureData(path)
        self._lock = Lock()
        names = self._data.filenames
        self.names = [f"{path}/{number}" for number in range(len(self._data))]
        if names is not None and names.shape == (len(self._data),) and names.dtype.kind == "U":
            self.names = [str(name) for name in names]

    def image(self, index: int) -> NDArray[np.uint8]:
        """An image, uint8 ``(H, W)``, on the scale 0 to 255."""
        with self._lock:
            found = self._data.images(np.array([index]))[0, 0]
        if found.dtype == np.uint8:
            grey: NDArray[np.uint8] = found
            return grey
        scaled: NDArray[np.uint8] = np.rint((found * (255.0 * self._data.unit_scale)).clip(0, 255)).astype(
            np.uint8
        )
        return scaled


def find_inputs(patterns: Iterable[str | os.PathLike[str]]) -> ImageInputs:
    """Find image files as `find_images` does, and the images of those named ``.npz``.

    Raises
    ------
    UsageError
        As `find_images`; or if preprocessed images are mixed with others.
    DataError
        If an npz is damaged or of another layout than ``x`` ``(N, 1, H, W)`` and ``y``.
    """
    sources: list[ImageSource] = []
    kinds: set[str | None] = set()
    for path in find_images(patterns):
        if path.suffix.lower() != ".npz" or not path.is_file():
            sources.append(path)
            kinds.add(None)
            continue
        kinds.add(_preprocessed_by(path))
        file = _File(path)
        sources += [StoredImage(name, file.image, index) for index, name in enumerate(file.names)]
    if len(kinds) > 1:
        found = " and ".join(sorted("raw" if kind is None else f"preprocessed for {kind}" for kind in kinds))
        raise UsageError(f"These images cannot go together: some are {found}.")
    return ImageInputs(sources, kinds.pop())


def _preprocessed_by(path: Path) -> str | None:
    with open_npz(path) as file:
        if PREPROCESSING not in file:
            return None
        name = file[PREPROCESSING].read()
    if name.shape != () or name.dtype.kind != "U":
        raise DataError(f"{path}: array {PREPROCESSING!r} is no name of a model.")
    return str(name)


def write_preprocessed(
    path: Path, images: Sequence[NDArray[np.uint8]], names: Sequence[str], model: str
) -> None:
    """Write preprocessed images so that `find_inputs` reads them back: ``x`` uint8 ``(N, 1, h, w)``.

    ``y`` is -1 throughout, as nobody said whose they are.

    Raises
    ------
    UsageError
        If they differ in size.
    """
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise UsageError(
            f"{path}: images of {len(sizes)} sizes do not go into one array; name a folder instead."
        )
    np.savez_compressed(
        path,
        x=np.stack(images)[:, np.newaxis],
        y=np.full(len(images), -1, np.int64),
        filenames=np.array(names),
        preprocessing=np.array(model),
    )
