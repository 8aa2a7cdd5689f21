"""Shrinking an image by means of whole pixels: what Pillow's box filter gives, in half its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.imaging import reused
from sigzoo.interfaces import GreyImage

__all__ = ["shrunk"]


def shrunk(image: GreyImage, longest: int) -> GreyImage:
    """Shrink an image whose longest side has more than `longest` pixels: uint8 ``(H, W)`` to ``(h, w)``.

    A new pixel is the mean of those whose middles it covers, along the rows first, rounded to whole
    levels, then along the columns. That is Pillow's `BOX`, level for level; but from version 13 on Pillow
    turns the order round on tall images. An image that is small enough is returned as it is; the result
    may lie in memory that the same thread's next call uses again.
    """
    largest = max(image.shape)
    if largest <= longest:
        return image
    height, width = (max(1, round(side * longest / largest)) for side in image.shape)
    if largest > 2 * longest:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    return _lowered(_narrowed(image, width), height)


def _narrowed(image: GreyImage, size: int) -> GreyImage:
    """Shrink the rows to `size` pixels, at least half of theirs, so that one or two make a new one."""
    height, width = image.shape
    first, last = _covered(width, size)
    # The pixels, and behind them their means with the next ones: one look-up finds either.
    both: GreyImage = reused("pixels and means", (height, 2 * width), np.uint8)
    both[:, :width] = image
    line = np.ascontiguousarray(image).reshape(-1)  # numpy takes twice as long for a part of each row
    means: GreyImage = reused("means", image.shape, np.uint8)
    _mean(line[:-1], line[1:], out=means.reshape(-1)[:-1])
    both[:, width:] = means
    narrow: GreyImage = reused("narrow", (height, size), np.uint8)
    places = np.where(last > first, first + width, first)
    # With any other mode than "clip" numpy fills a copy first.
    return both.take(places, axis=1, out=narrow, mode="clip")


def _lowered(image: GreyImage, size: int) -> GreyImage:
    """Shrink the columns to `size` pixels, at least half of theirs."""
    first, last = _covered(len(image), size)
    shape = size, image.shape[1]
    one, other = (reused(name, shape, np.uint8) for name in ("shrunk", "other rows"))
    image.take(first, axis=0, out=one, mode="clip")
    image.take(last, axis=0, out=other, mode="clip")
    return _mean(one, other, out=one)


def _mean(one: GreyImage, other: GreyImage, out: GreyImage) -> GreyImage:
    """Mean of pixels, halves rounded up, in 8 bits: a + b is twice what both have, and what differs."""
    half: GreyImage = reused("half", one.shape, np.uint8)
    np.bitwise_xor(one, other, out=half)
    half >>= 1
    np.bitwise_or(one, other, out=out)
    out -= half
    return out


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
