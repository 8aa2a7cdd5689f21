"""Finding the signature, placing it on a canvas, and the options that say how large that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage, ImageError, Size, UnknownNameError, UsageError, warn

__all__ = [
    "CANVASES",
    "MAX_CANVAS_PIXELS",
    "Canvas",
    "Placed",
    "parse_canvas",
    "parse_size",
    "place",
    "require_ink",
    "warn_if_blank",
]

CANVASES: dict[str, Size] = {
    "gpds": (952, 1360),
    "mcyt": (600, 850),
    "cedar": (730, 1042),
    "brazilian": (700, 1000),
}
"""Height and width of the canvas that the publications use for each data set."""

MAX_CANVAS_PIXELS = 200_000_000
"""Pixels of the largest canvas, far beyond any signature; larger ones only exhaust the memory."""

Canvas = str | Sequence[int]
"""A name of `CANVASES`, or ``(height, width)``."""


@dataclass(frozen=True)
class Placed:
    """A signature on its canvas, everything around it being 0."""

    ink: GreyImage
    """uint8 ``(h, w)``: background 0, ink bright."""

    top: int
    """Row of the canvas where it starts."""

    left: int
    """Column of the canvas where it starts."""

    canvas: Size
    """Height and width of the canvas."""

    @property
    def covers(self) -> bool:
        """Whether nothing of the canvas is left around it."""
        return self.ink.shape == self.canvas

    def picture(self) -> GreyImage:
        """Return the whole canvas, uint8, ink bright on 0."""
        whole = np.zeros(self.canvas, dtype=np.uint8)
        height, width = self.ink.shape
        whole[self.top : self.top + height, self.left : self.left + width] = self.ink
        return whole


def parse_size(value: Sequence[int], what: str) -> Size:
    """Return ``(height, width)`` from any sequence of two positive whole numbers.

    Raises
    ------
    UsageError
        If it is anything else; `what` names the option.
    """
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        whole = all(isinstance(side, Integral) and not isinstance(side, bool) for side in value)
        if whole and min(value) >= 1:
            return int(value[0]), int(value[1])
    raise UsageError(f"{what} must be two whole numbers (height, width) of at least 1 pixel, got {value!r}.")


def parse_canvas(value: Canvas) -> Size:
    """Return the canvas's ``(height, width)`` from a name of `CANVASES` or two numbers.

    Raises
    ------
    UsageError
        If it is neither a known name nor two whole numbers of at least 1, or has more than
        `MAX_CANVAS_PIXELS`.
    """
    if not isinstance(value, str):
        height, width = parse_size(value, "canvas")
        if height * width > MAX_CANVAS_PIXELS:
            raise UsageError(
                f"canvas {height} x {width} has {height * width / 1e6:,.0f} million pixels; at most"
                f" {MAX_CANVAS_PIXELS / 1e6:.0f} million are possible. Give (height, width) in pixels."
            )
        return height, width
    try:
        return CANVASES[value.lower()]
    except KeyError:
        known = ", ".join(f"{name} {size}" for name, size in CANVASES.items())
        hint = str(UnknownNameError("canvas", value, CANVASES))
        raise UsageError(f"{hint} Canvases: {known}; or give (height, width).") from None


def require_ink(image: GreyImage) -> None:
    """Raise `ImageError` for an image of one grey level, which holds no signature."""
    if image.min() == image.max():
        raise ImageError(
            f"the image holds no ink: all its {image.shape[0]} x {image.shape[1]} pixels are {image.flat[0]}."
        )


def place(image: GreyImage, ink: NDArray[np.bool_], threshold: float, canvas: Size) -> Placed:
    """Cut the signature out and put its centre of mass on the middle of a canvas.

    As both published programs do it: the box leaves out the last row and the last column of the
    ink; where the middle cannot be met the signature is moved until it fits; a signature larger
    than the canvas loses its margins on both sides.

    Parameters
    ----------
    image
        uint8 ``(H, W)``, 0 ink and 255 paper.
    ink
        bool ``(H, W)``: where the smoothed image is ink; at least one pixel is.
    threshold
        Pixels above it become background.
    canvas
        Height and width.

    Warns
    -----
    SigzooWarning
        If the signature is larger than the canvas.
    """
    counter = np.uint16 if max(ink.shape) < 1 << 16 else np.uint64
    per_row = ink.view(np.uint8).sum(axis=1, dtype=counter).astype(np.intp)
    per_column = ink.view(np.uint8).sum(axis=0, dtype=counter).astype(np.intp)
    rows, top = _place_axis(per_row, canvas[0])
    columns, left = _place_axis(per_column, canvas[1])
    height, width = _extent(per_row), _extent(per_column)
    if height > canvas[0] or width > canvas[1]:
        warn(
            f"the signature of {height} x {width} pixels exceeds the canvas of {canvas[0]} x {canvas[1]}; "
            "only its middle is used. Use a larger canvas, or scan at the resolution of the training data.",
        )
    return Placed(without_background(image[rows, columns], threshold), top, left, canvas)


def without_background(image: GreyImage, threshold: float) -> GreyImage:
    """Invert a grey image, uint8, and set what was above the threshold to 0."""
    bright = ~image
    bright *= image <= threshold
    return bright


def warn_if_blank(result: GreyImage) -> None:
    """Warn where the published steps lose all the ink, as they do with ink in one row or column."""
    if not result.any():
        warn(
            "nothing of the ink is left after preprocessing (the published programs give a blank image here, "
            "too); the features of it mean nothing. Is it a scan of a whole signature?",
        )


def _extent(counts: NDArray[np.intp]) -> int:
    """Length of the box along an axis, the last pixel left out as published."""
    present = np.flatnonzero(counts)
    return int(present[-1] - present[0])


def _place_axis(counts: NDArray[np.intp], side: int) -> tuple[slice, int]:
    """Part of the image to keep along an axis, and where it starts on the canvas."""
    present = np.flatnonzero(counts)
    first, last = int(present[0]), int(present[-1])
    length = last - first
    if length > side:
        offset = first + (length - side) // 2
        return slice(offset, offset + side), 0
    total = int(counts[present] @ present)
    centre = int(total / int(counts.sum()) - first)
    start = side // 2 - centre
    start = max(0, min(start, side - length))
    return slice(first, last), start
