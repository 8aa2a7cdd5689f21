"""What a gallery shows, and `gallery_of`, which gathers it with a model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.common.messages import counted
from sigzoo.evaluation.distances import distances
from sigzoo.imaging.image_files import read_image
from sigzoo.imaging.sources import ImageSource
from sigzoo.model import SignatureModel

__all__ = ["Exhibit", "Gallery", "gallery_of"]

_SIGNATURE, _STEP = (360, 160), (240, 150)
"""Pixels that pictures may take: width and height."""


@dataclass(frozen=True)
class Exhibit:
    """A signature."""

    name: str
    png: bytes
    """The image as it was read, made small."""
    steps: Mapping[str, bytes]
    """The steps of the preprocessing by their names, made small; the last is what the network sees."""


@dataclass(frozen=True)
class Gallery:
    """Signatures, and how far they are from each other."""

    title: str
    facts: Mapping[str, str]
    exhibits: Sequence[Exhibit]
    distances: NDArray[np.float32]
    """Euclidean, ``(N, N)``."""


def gallery_of(
    model: SignatureModel,
    images: Sequence[ImageSource],
    names: Sequence[str],
    features: NDArray[np.float32],
    *,
    layer: str | None = None,
) -> Gallery:
    """Gather what a gallery shows.

    Parameters
    ----------
    model
        What preprocesses the images, and computed their features.
    images, names
        The signatures, and what each is called.
    features
        Their features, float32 ``(N, ...)``.
    layer
        Where the features come from; the card's own layer by default.

    Returns
    -------
    Gallery
        For `gallery_page`.

    Raises
    ------
    ImageError
        If an image cannot be read or holds no ink.
    """
    exhibits = []
    for image, name in zip(images, names, strict=True):
        steps = {step: small_png(pixels, _STEP) for step, pixels in model.stages(image).items()}
        exhibits.append(Exhibit(name, small_png(read_image(image), _SIGNATURE), steps))
    facts = {
        "model": f"{model.name}: {model.card.summary}",
        "features": f"{features[0].size} from layer {layer or model.card.features.layer}",
        "preprocessing": model.card.preprocessor.name,
        "licence of the weights": model.card.licence.weights,
    }
    count = len(exhibits)
    title = f"{counted(count, 'signature')} as {model.name} sees {'it' if count == 1 else 'them'}"
    return Gallery(title, facts, exhibits, distances(features.reshape(len(features), -1)))


def small_png(pixels: NDArray[np.uint8], within: tuple[int, int]) -> bytes:
    """An image, uint8 ``(H, W)``, as PNG, made as small as to lie within a width and a height."""
    image = Image.fromarray(pixels)
    image.thumbnail(within, Image.Resampling.BOX, reducing_gap=None)
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()
