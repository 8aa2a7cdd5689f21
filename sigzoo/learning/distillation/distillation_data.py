"""Data of a distillation: inverted or preprocessed images, or scans; a file, or an artifact by name."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sigzoo.artifacts import fetch_with_bar
from sigzoo.datasets.synthetic import is_synthetic
from sigzoo.errors import DataError, UnknownNameError, UsageError
from sigzoo.interfaces import Size
from sigzoo.learning.data.in_memory import ImageSet, TrainingData
from sigzoo.learning.data.on_disk import StoredData
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.sources import read_training_data
from sigzoo.learning.training.distributed import Group
from sigzoo.zoo import default_zoo

__all__ = ["Source", "open_source"]


@dataclass(frozen=True)
class Source:
    """Where images come from, and how they are taken."""

    name: str
    """A file or folder, the name of an artifact, or ``synth:...``."""
    preprocessed: bool
    """Whether uint8 images of an ``.npz`` are preprocessed."""
    preparation: Preparation
    """The teacher's preprocessing, for those that are not."""
    size: Size | None
    """What the teacher's preprocessing gives; `None` for any size."""


def open_source(
    source: Source, group: Group, files: ExitStack, *, workers: int = 1, progress: bool = False
) -> ImageSet:
    """Read signatures in the first process and share them, or open an ``.npz`` in each.

    An ``.npz`` of preprocessed images is read by position as they are needed; anything else is
    preprocessed and kept in memory.

    Parameters
    ----------
    source
        What to read.
    group
        The processes.
    files
        Closes what is opened.
    workers
        Processes that write synthetic signatures.
    progress
        Whether to show a bar on stderr while images are preprocessed.

    Raises
    ------
    UnknownNameError, ArtifactError
        If there is no such file or artifact, or the artifact cannot be had.
    DataError, ImageError
        If the data are damaged, of another layout or of another size than the teacher's.
    UsageError
        If the images must be preprocessed ones, and nobody said so.
    """

    def read() -> ImageSet:
        stored = _stored(source, files)
        return _in_memory(source, workers, progress) if stored is None else stored

    found = group.on_rank_zero(read)
    if group.size == 1:
        assert found is not None
        return found
    own = found if group.is_rank_zero else _stored(source, files)
    if isinstance(own, StoredData):
        return own
    assert own is None or isinstance(own, TrainingData)
    return group.broadcast_data(own)


def _in_memory(source: Source, workers: int, progress: bool) -> TrainingData:
    if source.preprocessed:
        raise UsageError(f"{source.name}: only an .npz can hold preprocessed images.")
    path = source.name if is_synthetic(source.name) else str(_located(source.name)[0])
    return read_training_data(path, source.preparation, workers=workers, progress=progress)


def _stored(source: Source, files: ExitStack) -> StoredData | None:
    """Open an ``.npz`` of preprocessed images; `None` where the source is something else."""
    if is_synthetic(source.name):
        return None
    path, published = _located(source.name)
    if not path.is_file() or not (published or path.suffix.lower() == ".npz"):
        return None
    data = files.enter_context(closing(StoredData(path)))
    if source.preprocessed or published or data.is_floating:
        _check_size(source, data, exact=published or data.is_floating)
        return data
    if source.size == data.smallest() and np.median(data.batch(np.arange(min(8, len(data))))) < 128:
        raise UsageError(
            f"{source.name}: holds dark images of {source.size} (h, w), as preprocessing leaves them. If they"
            " are preprocessed, say so: --preprocessed (--continual-preprocessed for new data)."
        )
    return None


def _located(name: str) -> tuple[Path, bool]:
    """Where a file or folder lies, and whether it is an artifact, which is fetched."""
    path = Path(name).expanduser()
    known = default_zoo().catalogue.artifacts
    if path.exists():
        return path, False
    if name.partition("/")[0] in known:
        return fetch_with_bar(default_zoo().artifact_spec(name)), True
    if path.suffix or len(path.parts) > 1:
        raise DataError(
            f"{name} does not exist. Data are an .npz, a folder of images, the name of an artifact"
            " (inverted-signet), or synth:writers=500,genuine=16,seed=0."
        )
    raise UnknownNameError("file, folder or artifact", name, known)


def _check_size(source: Source, data: StoredData, *, exact: bool) -> None:
    """Refuse inverted images of another size than the teacher's: they are never cropped or resized."""
    size = data.smallest()
    if exact and source.size is not None and size != source.size:
        raise DataError(
            f"{source.name}: holds images of {size} (h, w), the teacher's network takes {source.size}."
            " Inverted data belong to the size that they were made in; they are never cropped or resized."
        )
