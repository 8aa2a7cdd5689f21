"""Where training data come from: an npz, a folder of images, or the generator, on the fly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.parallel import ordered_map
from sigzoo.data import SignatureData
from sigzoo.errors import DataError, ImageError
from sigzoo.imaging import find_images, read_and_apply
from sigzoo.interfaces import GreyImage
from sigzoo.learning.data.in_memory import Item, TrainingData, collect
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.synthetic import is_synthetic, parse_synthetic, synthetic_items

__all__ = ["read_training_data"]

_FLAT = re.compile(r"(w\d+)_([gf])\d+")
_FORGERIES, _GENUINE = "forgeries", "genuine"
_AHEAD = 64

_Named = tuple[Path, str, bool]


def read_training_data(source: str, preparation: Preparation, *, workers: int = 1) -> TrainingData:
    """Read and preprocess all signatures of a source.

    Parameters
    ----------
    source
        An ``.npz`` in sigver's layout (``x`` uint8 or float ``(N, 1, H, W)``, ``y``, ``yforg``); a
        folder of images, named ``w001_g01.png`` and ``w001_f01.png``, or in a folder for each
        writer, forgeries in a folder ``forgeries`` below; or ``synth:writers=500,genuine=16``.
    preparation
        The preprocessing.
    workers
        Processes that write synthetic signatures.

    Raises
    ------
    DataError
        If the source is missing, damaged, of another layout, or has fewer than 2 writers.
    ImageError
        If an image cannot be read or holds no ink; names it.
    """
    if is_synthetic(source):
        return collect(synthetic_items(parse_synthetic(source), preparation, workers), source)
    path = Path(source).expanduser()
    if path.is_dir():
        return collect(_folder_items(path, preparation), path)
    if path.suffix.lower() == ".npz" and path.exists():
        return collect(_npz_items(path, preparation), path)
    what = "is neither a folder nor an .npz file" if path.exists() else "does not exist"
    raise DataError(
        f"{source} {what}. Training data are an .npz, a folder of images, or"
        " synth:writers=500,genuine=16,forgeries=4,seed=0."
    )


def _npz_items(path: Path, preparation: Preparation) -> Iterator[Item]:
    with SignatureData(path) as data:
        forged = np.zeros(len(data), np.int64) if data.yforg is None else data.yforg
        images = (
            (f"{path}: signature {number}", image)
            for number, image in zip(count(), _grey_images(data), strict=False)
        )
        prepared = ordered_map(lambda one: _prepare(preparation, *one), images, ahead=_AHEAD)
        for image, writer, false in zip(prepared, data.y, forged, strict=True):
            yield Item(image, int(writer), bool(false))


def _grey_images(data: SignatureData) -> Iterator[GreyImage]:
    for batch in data.batches(_AHEAD):
        if batch.x.dtype == np.uint8:
            yield from batch.x[:, 0]
        else:
            scaled = batch.x[:, 0].astype(np.float64) * (255.0 * data.unit_scale)
            levels: NDArray[np.uint8] = np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8)
            yield from levels


def _folder_items(folder: Path, preparation: Preparation) -> Iterator[Item]:
    named = _named(folder)

    def read(one: _Named) -> GreyImage:
        return read_and_apply(one[0], 0, preparation)

    for image, (_, writer, forged) in zip(ordered_map(read, named, ahead=_AHEAD), named, strict=True):
        yield Item(image, writer, forged)


def _prepare(preparation: Callable[[GreyImage], GreyImage], where: str, image: GreyImage) -> GreyImage:
    try:
        return preparation(image)
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from error


def _named(folder: Path) -> list[_Named]:
    """Tell whose signatures the files of a folder are, from their names or the folders they lie in."""
    files = find_images([folder])
    flat = [path for path in files if path.parent == folder]
    if flat and len(flat) < len(files):
        raise DataError(
            f"{folder}: holds images beside folders of images ({flat[0].name}, for one). Name them all"
            " w001_g01.png and w001_f01.png, or put all into a folder for each writer."
        )
    return [_from_name(path) for path in flat] if flat else [_from_folder(path, folder) for path in files]


def _from_name(path: Path) -> _Named:
    found = _FLAT.fullmatch(path.stem)
    if found is None:
        raise DataError(
            f"{path}: its name does not say whose signature it is. Name genuine signatures w001_g01.png and"
            " forgeries w001_f01.png, or use a folder for each writer."
        )
    return path, found.group(1), found.group(2) == "f"


def _from_folder(path: Path, folder: Path) -> _Named:
    writer, *below = path.relative_to(folder).parts[:-1]
    if below not in ([], [_GENUINE], [_FORGERIES]):
        raise DataError(
            f"{path}: a writer's folder holds images, or folders `{_GENUINE}` and `{_FORGERIES}`,"
            f" not {'/'.join(below)}."
        )
    return path, writer, below == [_FORGERIES]
