"""One image made ready for the network: read, preprocessed, and looked at; in this process or in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from sigzoo import errors
from sigzoo.common.worker_pool import Warned
from sigzoo.errors import ImageError, SigzooError
from sigzoo.imaging import ImageSource, ReadOptions, read_and_note, source_name
from sigzoo.imaging.decode_limits import budget
from sigzoo.interfaces import GreyImage, Preprocessor, Size, check_grey

__all__ = ["Preparation", "Prepared", "WorkerPreparation", "read_answer"]


@dataclass(frozen=True)
class Prepared:
    """An image after preprocessing, or why it has none."""

    index: int
    """Its place among the images, from 0."""
    source: str
    """What it is called."""
    image: GreyImage | None
    """uint8 ``(h, w)``, ink bright on 0."""
    error: SigzooError | None = None
    notes: tuple[str, ...] = ()
    """What there is to say of it, each with its name."""
    warned: tuple[Warned, ...] = ()
    """Other warnings, which were heard in a worker process."""


@dataclass(frozen=True)
class Preparation:
    """How an image is made ready.

    Attributes
    ----------
    model
        The model's name, for messages.
    preprocessor
        What is done with the grey image.
    minimum_size
        Smallest ``(h, w)`` that the network takes.
    options
        How images are read.
    """

    model: str
    preprocessor: Preprocessor
    minimum_size: Size
    options: ReadOptions

    def __call__(self, numbered: tuple[int, ImageSource]) -> Prepared:
        """Read and preprocess an image; one that cannot be used has its error."""
        index, source = numbered
        name = source_name(source, index)
        try:
            image, notes = read_and_note(source, index, self._network_image, self.options)
            return Prepared(index, name, image, notes=tuple(notes))
        except SigzooError as error:
            return Prepared(index, name, None, error)

    def _network_image(self, image: GreyImage) -> GreyImage:
        """Preprocess an image unless it is already, and refuse one too small for a network of any size."""
        result = self._as_it_is(image) if self.options.preprocessed else self.preprocessor(image)
        least = self.minimum_size
        if result.shape[0] < least[0] or result.shape[1] < least[1]:
            found, wanted = " x ".join(map(str, result.shape)), " x ".join(map(str, least))
            raise ImageError(
                f"too small: {found} pixels after preprocessing, {self.model} needs at least {wanted}."
            )
        return result

    def _as_it_is(self, image: GreyImage) -> GreyImage:
        """Take a preprocessed image, and refuse one that the preprocessor cannot have made."""
        wanted = self.preprocessor.output_size
        if wanted is not None and image.shape != wanted:
            found, size = " x ".join(map(str, image.shape)), " x ".join(map(str, wanted))
            raise ImageError(f"{found} pixels, but images preprocessed for {self.model} have {size}.")
        return image


@dataclass(frozen=True)
class WorkerPreparation:
    """The same in a worker process, which answers in plain data.

    Attributes
    ----------
    preparation
        How an image is made ready.
    most_bytes
        What decoding an image may take there; a larger one is left to the parent, whose threads share one
        budget.
    max_image_pixels, load_truncated_images
        How Pillow is set in the parent: a caller may have changed it.
    """

    preparation: Preparation
    most_bytes: int
    max_image_pixels: int | None
    load_truncated_images: bool

    def begin(self) -> None:
        """Make the worker's settings those of the parent."""
        budget.allow(self.most_bytes)
        Image.MAX_IMAGE_PIXELS = self.max_image_pixels
        ImageFile.LOAD_TRUNCATED_IMAGES = self.load_truncated_images

    def __call__(self, numbered: tuple[int, ImageSource]) -> tuple[dict[str, Any], memoryview | None]:
        """Prepare an image: its shape and its pixels, or its error.

        Whatever it raises, the parent meets when it does the same.
        """
        prepared = self.preparation(numbered)
        if prepared.image is not None:
            pixels = np.ascontiguousarray(check_grey(prepared.image))
            return {"shape": pixels.shape, "notes": prepared.notes}, pixels.data
        error = prepared.error
        kind = type(error).__name__
        if getattr(errors, kind, None) is not type(error) or error is None or error.args != (str(error),):
            raise TypeError(f"{error!r} is not plain")
        return {"error": kind, "message": str(error)}, None


def read_answer(
    numbered: tuple[int, ImageSource],
    said: dict[str, Any],
    pixels: bytearray | None,
    warned: list[Warned],
) -> Prepared:
    """What a worker has prepared, as `Preparation` gives it."""
    index, source = numbered
    name = source_name(source, index)
    if pixels is not None:
        image = np.frombuffer(pixels, np.uint8).reshape(said["shape"])
        return Prepared(index, name, image, None, tuple(said["notes"]), tuple(warned))
    error = getattr(errors, said["error"])(said["message"])
    return Prepared(index, name, None, error, warned=tuple(warned))
