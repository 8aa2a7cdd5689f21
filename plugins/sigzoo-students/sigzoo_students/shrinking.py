"""Shrinking an image by means of whole pixels: what Pillow's box filter gives, in half its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.interfaces import GreyImage

__all__ = ["shrunk"]


def shrunk(image: GreyImage, longest: int) -> GreyImage:
    """Shrink an image whose longest side has more than `longest` pixels: uint8 ``(H, W)`` to ``(h, w)``.

    A new pixel is the mean of those whose middles it covers, along the rows first, rounded to whole
    levels, then along the columns. That is Pillow's `BOX`, level for level; but from version 13 on Pillow
    turns the order round on tall images. An image that is small enough is returned as it is.
    """
    largest = max(image.shape)
    if largest <= longest:
        return image
    height, width = (max(1, round(side * longest / largest)) for side in image.shape)
    if largest > 2 * longest:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    return _shrunk_axis(_shrunk_axis(image, width, 1), height, 0)


def _shrunk_axis(image: GreyImage, size: int, axis: int) -> GreyImage:
    """Shrink one axis to `size`, at least half of it, so that one or two pixels make a new one."""
    first, last = _covered(image.shape[axis], size)
    one, other = image.take(first, axis=axis), image.take(last, axis=axis)
    # Their mean, halves rounded up, in 8 bits: a + b is twice what both have in common, and what they
    # differ in.
    mean = one | other
    one ^= other
    one >>= 1
    mean -= one
    return mean


def _covered(length: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last pixel whose middles each new one covers, in Pillow's order of operations."""
    scale = length / size
    centres = (np.arange(size) + 0.5) * scale
    first = (centres - 0.5 * scale + 0.5).astype(np.intp)
    last = np.minimum((centres + 0.5 * scale + 0.5).astype(np.intp), length) - 1
    # A middle on the very edge belongs to the pixel before it, unless rounding has moved it.
    last -= (last - centres + 0.5) * (1.0 / scale) > 0.5
    first += (first - centres + 0.5) * (1.0 / scale) <= -0.5
    return first, last
