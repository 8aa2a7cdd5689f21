"""What may be given as images, what each is called, and reading one with its name in every message."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.common.remote import without_password
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ImageError, SigzooWarning, UsageError
from sigzoo.imaging.decode_limits import MAX_PIXELS, budget

__all__ = [
    "EncodedImage",
    "ImageSource",
    "ReadOptions",
    "StoredImage",
    "as_sources",
    "read_and_apply",
    "read_and_note",
    "source_name",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class StoredImage:
    """An image that lies among others in a file, read when it is needed."""

    name: str
    read: Callable[[int], NDArray[np.uint8]]
    """Gives the grey image, uint8 ``(H, W)``, of an index."""
    index: int


@dataclass(frozen=True)
class EncodedImage:
    """The content of an image file that has come by another way than a path, and what it is called."""

    name: str
    content: bytes
    max_pixels: int = MAX_PIXELS
    """A larger one is refused before it is decoded."""


@dataclass(frozen=True)
class FetchedImage:
    """An image of an object store with the content of its file, or why that could not be fetched."""

    name: str
    """Its URL; ``s3://bucket/file.tif#2`` names a page."""
    content: bytes = b""
    error: str | None = None


ImageSource: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | IO[bytes]
    | Image.Image
    | NDArray[Any]
    | StoredImage
    | FetchedImage
    | EncodedImage
)
"""One image: a path or URL (``file.tif#2`` names a page), the content of an image file as bytes or an open
binary file, a PIL image, or an array or torch tensor (see `read_image`)."""

_APPLY_BYTES = 6
"""Bytes a pixel that the published preprocessings take, as measured."""

_ONE_IMAGE = (
    str,
    os.PathLike,
    bytes,
    bytearray,
    memoryview,
    io.IOBase,
    Image.Image,
    StoredImage,
    FetchedImage,
    EncodedImage,
)


@dataclass(frozen=True)
class ReadOptions:
    """How images are read.

    Attributes
    ----------
    grey_range
        The values of black and white where an image has more than 8 bits and its file does not say,
        or says it wrongly; `None` to go by the file.
    check
        Whether to warn of what does not look like one signature on paper.
    preprocessed
        Whether they are preprocessed already.
    """

    grey_range: tuple[float, float] | None = None
    check: bool = False
    preprocessed: bool = False


def is_tensor(thing: object) -> bool:
    """Whether something is a torch tensor; never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.Tensor)


def is_image(thing: object) -> bool:
    """Whether something is one image, rather than several."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.kind not in "OUS" or thing.ndim == 0
    return isinstance(thing, _ONE_IMAGE) or is_tensor(thing) or hasattr(thing, "read")


def as_sources(images: ImageSource | Iterable[ImageSource]) -> Iterable[ImageSource]:
    """Make one image or many an iterable of images; what is iterated over is left as it is.

    Parameters
    ----------
    images
        A path, bytes, an open file, a PIL image, an array or a tensor; or an iterable of these.

    Returns
    -------
    iterable
        Of images.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if is_image(images):
        return [images]  # type: ignore[list-item]
    if isinstance(images, np.ndarray):
        return list(images.flat)
    if isinstance(images, dict | bytes) or not isinstance(images, Iterable):
        raise UsageError(
            "Images are paths, bytes, open files, PIL images, arrays or tensors, one or many;"
            f" got {type(images).__name__}."
        )
    return images


def source_name(source: object, index: int) -> str:
    """What an image is called in messages: its path, or ``image 3`` for what has none.

    Parameters
    ----------
    source
        The image, as it was given.
    index
        Its number among those that were given, from 0.

    Returns
    -------
    str
        For people.
    """
    if isinstance(source, str | os.PathLike):
        return without_password(os.fsdecode(source))
    return source.name if isinstance(source, StoredImage | FetchedImage | EncodedImage) else f"image {index}"


def read_and_apply(
    source: ImageSource,
    index: int,
    apply: Callable[[NDArray[np.uint8]], _T],
    options: ReadOptions | None = None,
) -> _T:
    """Read an image and do something with it; warnings and errors say which image it was.

    See `read_and_note`, which gives back the texts of the warnings in their place.

    Parameters
    ----------
    source
        The image, as for `read_image`.
    index
        Its number, for messages of an image without a name.
    apply
        What is done to it: takes grey uint8 ``(H, W)``, dark ink on white.
    options
        How it is read.

    Returns
    -------
    object
        What `apply` returned.

    Raises
    ------
    ImageError
        If the image cannot be read, or `apply` raises one; names the image.
    """
    result, notes = read_and_note(source, index, apply, options)
    for note in notes:
        warnings.warn(note, SigzooWarning, stacklevel=3)
    return result


def read_and_note(
    source: ImageSource,
    index: int,
    apply: Callable[[NDArray[np.uint8]], _T],
    options: ReadOptions | None = None,
) -> tuple[_T, list[str]]:
    """Read an image and do something with it.

    Parameters
    ----------
    source
        The image.
    index
        Its place among several, which names it where it has no path.
    apply
        What to do with it: given the grey image, uint8 ``(H, W)``.
    options
        How to read it.

    Returns
    -------
    result, notes
        What `apply` gives; what there is to say of the image, each with its name.

    Raises
    ------
    ImageError
        If it cannot be read or used; says which image it was.
    """
    from sigzoo.imaging.image_files import read_image
    from sigzoo.imaging.plausibility import doubts
    from sigzoo.interfaces import collected_warnings, warn

    options = options or ReadOptions()
    name = safe_text(source_name(source, index)) or "''"
    try:
        with collected_warnings() as messages:
            image = read_image(source, grey_range=options.grey_range)
            if options.check and (found := doubts(image)):
                warn(f"does not look like one signature on paper: {'; '.join(found)}")
            with budget.take(_APPLY_BYTES * image.size):
                result = apply(image)
    except ImageError as error:
        message = str(error).removeprefix("the image: ")
        raise error if message.startswith(f"{name}: ") else ImageError(f"{name}: {message}") from error
    return result, [f"{name}: {message}" for message in messages]
