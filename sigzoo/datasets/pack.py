"""`pack`: a data set as one npz in the layout of the published programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.atomic import whole_file, write_error
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.datasets.image_files import natural
from sigzoo.datasets.packed_parts import prepared_images
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.interfaces.images import GreyImage, Size

__all__ = ["Packed", "pack"]

_WHITE = 255


@dataclass(frozen=True)
class Packed:
    """What was written."""

    signatures: int
    writers: int
    size: Size
    """Height and width of every image."""
    left_out: int
    """Images without ink that the source said may be left out."""


def pack(
    opened: SignatureSet,
    path: Path,
    *,
    prepare: Callable[[GreyImage], GreyImage] | None = None,
    canvas: Size | None = None,
    about: dict[str, str] | None = None,
    compressed: bool = True,
    resume: dict[str, Any] | None = None,
    workers: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> Packed:
    """Write a data set as one file that luizgh/sigver and the programs that follow it read.

    ``x`` uint8 ``(N, 1, H, W)``; ``y`` int32 ``(N,)``, writers from 0 in the order of their names; ``yforg``
    int32 ``(N,)``, 0 genuine, 1 skilled, 2 simple forgery; ``user_mapping`` text ``(W,)``, the writer's name
    at the place of his number (a dict there, as those programs write it, would have to be unpickled);
    ``filenames`` text ``(N,)``. They come writer by writer: genuine, skilled, simple.

    The images wait on disk, beside the file, until there is one array to write, and never all in memory.

    Parameters
    ----------
    opened
        The data set.
    path
        The file; appears when it is whole, over any file there.
    prepare
        The preprocessing: all its results must have one size. By default images stay as they are, in
        the middle of a white canvas.
    canvas
        Height and width of that canvas; by default the data set's, or else what holds the largest image.
    about
        Further texts to keep in the file, by name.
    compressed
        Deflate the arrays; else they can be read in place.
    resume
        What decides the prepared images beside the set, as plain data: they are then kept in a folder beside
        the file until that is whole, and a killed run that is started again goes on after them.
    workers
        Processes that make images of a source that computes them.
    progress
        Called with how many more images are done.

    Raises
    ------
    ImageError, DataError
        If an image cannot be read or preprocessed; names it.
    UsageError
        If results differ in size, an image is larger than the canvas, or the images that were kept are of
        another set or were prepared otherwise.
    SigzooError
        If the file cannot be written.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist.")
    size = None if prepare is not None else canvas or opened.canvas
    with (
        prepared_images(opened, prepare or _as_it_is, path, resume=resume, workers=workers) as images,
        whole_file(path, failure=_unwritable) as file,
        tempfile.TemporaryFile(dir=path.parent) as store,
    ):
        kept: list[int] = []
        sizes: list[Size] = []
        for index, image in images:
            _check_size(opened.name(index), image, sizes, size, one_size=prepare is not None)
            store.write(np.ascontiguousarray(image).data)
            kept.append(index)
            sizes.append((image.shape[0], image.shape[1]))
            progress(1)
        if not kept:
            raise DataError("There is no image with ink to write.")
        largest = max(h for h, _ in sizes), max(w for _, w in sizes)
        arrays, order = _labels(opened, kept)
        with ArrayWriter(file, compressed=compressed) as archive:
            with archive.open("x", np.uint8, (len(kept), 1, *(size or largest))) as member:
                for image in _stored(store, sizes, order):
                    member.write(_on_canvas(image, size or largest).data)
            for name, values in {**arrays, **(about or {})}.items():
                archive.add(name, np.asarray(values))
    return Packed(len(kept), len(arrays["user_mapping"]), size or largest, len(opened) - len(kept))


def _as_it_is(image: GreyImage) -> GreyImage:
    return image


def _check_size(
    name: str, image: GreyImage, sizes: list[Size], canvas: Size | None, *, one_size: bool
) -> None:
    height, width = image.shape
    if one_size and sizes and (height, width) != sizes[0]:
        raise UsageError(
            f"{name}: preprocessed it has {height} x {width} pixels, and the first one {sizes[0][0]} x"
            f" {sizes[0][1]}: one array needs one size. Choose a preprocessor of fixed size."
        )
    if canvas is not None and (height > canvas[0] or width > canvas[1]):
        raise UsageError(
            f"{name}: {height} x {width} pixels are more than the canvas of {canvas[0]} x {canvas[1]}. Choose"
            " a larger one (--canvas), or a preprocessor, which cuts the signature out."
        )


def _labels(opened: SignatureSet, kept: list[int]) -> tuple[dict[str, NDArray[Any]], list[int]]:
    """The arrays beside the images, and the order of the images in the file, as places in `kept`."""
    names = sorted({str(each) for each in opened.writers}, key=lambda name: natural(Path(name)))
    number = {name: place for place, name in enumerate(names)}
    simple = opened.labels.get("simple")
    users = np.array([number[str(opened.writers[index])] for index in kept], np.int32)
    kinds = np.array(
        [int(opened.forged[i]) * (2 if simple is not None and simple[i] else 1) for i in kept], np.int32
    )
    order = np.lexsort((np.arange(len(kept)), kinds, users))
    files = [opened.file_of(index) for index in kept]
    texts = [opened.name(i) if f is None else f.name for i, f in zip(kept, files, strict=True)]
    arrays = {
        "y": users[order],
        "yforg": kinds[order],
        "user_mapping": np.array(names),
        "filenames": np.array([_printable(texts[place]) for place in order]),
    }
    return arrays, order.tolist()


def _printable(name: str) -> str:
    """A file's name without the bytes that are no text, which numpy's text could not be written with."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _stored(store: IO[bytes], sizes: list[Size], order: list[int]) -> Iterator[GreyImage]:
    """The images that wait on disk, in another order."""
    starts = np.cumsum([0, *(h * w for h, w in sizes)])
    for place in order:
        height, width = sizes[place]
        store.seek(int(starts[place]))
        yield np.frombuffer(store.read(height * width), np.uint8).reshape(height, width)


def _on_canvas(image: GreyImage, size: Size) -> GreyImage:
    """An image in the middle of a white canvas."""
    if image.shape == size:
        return np.ascontiguousarray(image)
    canvas = np.full(size, _WHITE, np.uint8)
    top, left = ((whole - part) // 2 for whole, part in zip(size, image.shape, strict=True))
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _unwritable(path: Path, error: OSError) -> SigzooError:
    return write_error(path, error, kind=DataError)
