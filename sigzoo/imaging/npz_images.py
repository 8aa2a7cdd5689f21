"""Images of an ``.npz`` beside image files: raw ones, or preprocessed ones that `sigzoo preprocess` wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.remote import is_remote, local_name
from sigzoo.data.npz import open_npz
from sigzoo.data.signature_npz import SignatureData
from sigzoo.errors import DataError, UsageError
from sigzoo.imaging.finding import find_images
from sigzoo.imaging.remote_images import find_remote_images
from sigzoo.imaging.sources import ImageSource, StoredImage, source_name

__all__ = ["ImageInputs", "find_inputs", "write_preprocessed"]

PREPROCESSING = "preprocessing"
"""Array of a file that holds preprocessed images: the model whose preprocessing it was."""

OPTIONS = "preprocessor_options"
"""Array beside it: the options that went before the card's (a canvas, say), as JSON."""

_MAX_OPTIONS = 4096
"""Letters of that JSON; a file may come from anyone."""


@dataclass(frozen=True)
class ImageInputs:
    """Images that a command was given.

    Attributes
    ----------
    sources
        Paths, and images of npz files, which are read when they are needed.
    preprocessed_by
        The model whose preprocessing they have been through; `None` for raw images.
    preprocessor_options
        The options that its preprocessor had then in place of the card's.
    """

    sources: Sequence[ImageSource]
    preprocessed_by: str | None = None
    preprocessor_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What each is called: its path or URL; images of an npz ``file.npz/3``, or as the file says."""
        return [source_name(each, index) for index, each in enumerate(self.sources)]

    @property
    def paths(self) -> list[Path]:
        """A path for each, to name it by; images of an npz are ``file.npz/3``, or named as the file says."""
        return [Path(name) for name in self.names]

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
    """Find image files as `find_images` does, the images of those named ``.npz``, and those of object stores.

    Raises
    ------
    UsageError
        As `find_images`; or if preprocessed images are mixed with others.
    DataError
        If an npz is damaged or of another layout than ``x`` ``(N, 1, H, W)`` and ``y``.
    """
    sources: list[ImageSource] = []
    kinds: dict[tuple[str | None, str], None] = {}
    named = [os.fspath(each) for each in patterns]
    for path in _local_images([each for each in named if not is_remote(each)], named):
        if path.suffix.lower() != ".npz" or not path.is_file():
            sources.append(path)
            kinds[None, "{}"] = None
            continue
        kinds[_preprocessing_of(path)] = None
        file = _File(path)
        sources += [StoredImage(name, file.image, index) for index, name in enumerate(file.names)]
    for url in dict.fromkeys(url for each in named if is_remote(each) for url in find_remote_images(each)):
        sources.append(url)
        kinds[None, "{}"] = None
    if len(kinds) > 1:
        found = " and ".join(
            sorted(
                "raw" if model is None else f"preprocessed for {model} {options}" for model, options in kinds
            )
        )
        raise UsageError(f"These images cannot go together: some are {found}.")
    ((model, options),) = kinds
    return ImageInputs(sources, model, json.loads(options))


def _local_images(patterns: list[str], named: list[str]) -> list[Path]:
    """What lies on this machine; nothing where all that was named lies elsewhere."""
    if named and not patterns:
        return []
    return find_images([local_name(each) for each in patterns])


def _preprocessing_of(path: Path) -> tuple[str | None, str]:
    """The model whose preprocessing a file's images have been through, and its options as JSON."""
    with open_npz(path) as file:
        if PREPROCESSING not in file:
            return None, "{}"
        name = file[PREPROCESSING].read()
        options = file[OPTIONS].read() if OPTIONS in file else np.array("{}")
    if name.shape != () or name.dtype.kind != "U":
        raise DataError(f"{path}: array {PREPROCESSING!r} is no name of a model.")
    return str(name), _checked_options(path, options)


def _checked_options(path: Path, found: NDArray[Any]) -> str:
    """Options as `write_preprocessed` writes them: JSON of a mapping, keys in order."""
    try:
        if found.shape != () or found.dtype.kind != "U" or found.dtype.itemsize > 4 * _MAX_OPTIONS:
            raise ValueError
        options = json.loads(str(found))
        if not isinstance(options, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: array {OPTIONS!r} holds no options of a preprocessor (JSON).") from error
    return json.dumps(options, sort_keys=True)


def write_preprocessed(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    model: str,
    preprocessor_options: Mapping[str, Any],
) -> None:
    """Write preprocessed images so that `find_inputs` reads them back: ``x`` uint8 ``(N, 1, h, w)``.

    ``y`` is -1 throughout, as nobody said whose they are. `preprocessor_options` went before the card's.

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
        preprocessor_options=np.array(json.dumps(preprocessor_options, sort_keys=True)),
    )
