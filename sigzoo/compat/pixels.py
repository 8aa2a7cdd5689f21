"""Steps on pixels that both published programs have, with what each leaves to its caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sigzoo
from sigzoo.errors import UsageError

__all__ = ["TRAINING_SIZE", "as_grey", "cover_shape", "crop_center", "normalized", "preprocessed"]

TRAINING_SIZE = (170, 242)
"""Height and width that every published network was trained with, before the crop."""


def as_grey(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image as the published programs take it, turned into uint8 as they turn it: truncated."""
    return np.asarray(image).astype(np.uint8)


def preprocessed(
    preprocessor: str,
    image: NDArray[Any],
    canvas_size: Sequence[int],
    img_size: Sequence[int],
    input_size: Sequence[int] | None,
) -> NDArray[np.uint8]:
    """Preprocess by a preprocessor of sigzoo's: uint8 `input_size`, ink bright on 0.

    Raises
    ------
    UsageError
        If `img_size` is another than the networks were trained with.
    ImageError
        If the image holds no ink (the published programs fail there, too, with an error of numpy's).
    """
    if tuple(img_size) != TRAINING_SIZE:
        raise UsageError(
            f"img_size {tuple(img_size)}: the networks were trained with {TRAINING_SIZE}, and nothing else is"
            " computed here."
        )
    size = TRAINING_SIZE if input_size is None else tuple(input_size)
    return sigzoo.preprocessor(preprocessor, canvas=tuple(canvas_size), size=size)(as_grey(image))


def normalized(preprocessor: str, image: NDArray[Any], canvas_size: Sequence[int]) -> NDArray[np.uint8]:
    """The signature on its canvas, background removed: uint8 `canvas_size`, 0 ink and 255 paper."""
    stages = sigzoo.preprocessor(preprocessor, canvas=tuple(canvas_size)).stages(as_grey(image))
    result: NDArray[np.uint8] = 255 - stages["centred"]
    return result


def cover_shape(shape: Sequence[int], size: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size to which an image is scaled to cover `size`, and where its middle of that size starts.

    Parameters
    ----------
    shape, size
        ``(height, width)``.

    Returns
    -------
    scaled, start
        ``(height, width)`` and ``(row, column)``.
    """
    height_ratio, width_ratio = shape[0] / size[0], shape[1] / size[1]
    if width_ratio > height_ratio:
        scaled = size[0], round(shape[1] / height_ratio)
        return scaled, (0, round((scaled[1] - size[1]) / 2))
    scaled = round(shape[0] / width_ratio), size[1]
    return scaled, (round((scaled[0] - size[0]) / 2), 0)


def crop_center(img: NDArray[Any], size: Sequence[int]) -> NDArray[Any]:
    """The middle `size` = ``(height, width)`` of an image, or of each in ``(..., H, W)``.

    Parameters
    ----------
    img
        ``(H, W)``.
    size
        Height and width of what is cut out, not above the image's.

    Returns
    -------
    array
        Of that size and the same dtype, a view of `img`.
    """
    top, left = ((have - want) // 2 for have, want in zip(img.shape[-2:], size, strict=True))
    return img[..., top : top + size[0], left : left + size[1]]
