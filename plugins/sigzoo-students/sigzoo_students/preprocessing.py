"""Preprocessing of the bundled models: any resolution, scans, two-level images and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigzoo.imaging import reused
from sigzoo.interfaces import GreyImage, Preprocessor, Size, UsageError, check_grey
from sigzoo_students.ink import Floats, Ink, Mask, Places, find_ink, ink_levels, to_bytes
from sigzoo_students.levels import black_and_white, percentile
from sigzoo_students.resampling import Resampling
from sigzoo_students.shrinking import shrunk

__all__ = ["SynsigPreprocessor"]

_WORK = 720
"""Longest side in pixels at which paper and ink are told apart."""


class SynsigPreprocessor(Preprocessor):
    """Takes the paper away, evens out the ink, and scales the signature to the canvas.

    The picture depends neither on the resolution of the image, nor on the brightness of the paper,
    nor on the darkness of the pen; `statistics` keeps beside it what it takes away. An image whose
    greater part is dark is taken for bright writing on a dark ground. The scale follows the box
    that holds nearly all ink, so that the thin end of a flourish hardly changes it.

    Parameters
    ----------
    canvas
        ``(h, w)`` of the result.
    margin
        Share of the canvas kept free on each side of the box.
    tail
        Share of the ink left outside the box on each side.
    statistics
        Write three rows below the picture, each of one level (see `ink_levels`): length of the line
        and width of the stroke in the image's own pixels, and darkness of the ink, 255 in a scan of
        black and white alone.
    """

    def __init__(
        self,
        *,
        canvas: Sequence[int] = (96, 192),
        margin: float = 0.03,
        tail: float = 0.003,
        statistics: bool = False,
    ) -> None:
        if len(canvas) != 2 or min(canvas) < 8:
            raise UsageError(f"canvas must be (height, width), each at least 8, got {tuple(canvas)}.")
        if not 0 <= margin < 0.4 or not 0 <= tail < 0.2:
            raise UsageError(f"margin must be in 0 .. 0.4 and tail in 0 .. 0.2, got {margin} and {tail}.")
        self._size: Size = (int(canvas[0]), int(canvas[1]))
        self._margin, self._tail, self._statistics = margin, tail, statistics
        self.rows_beside = 3 if statistics else 0
        self.output_size: Size = (self._size[0] + self.rows_beside, self._size[1])

    def __call__(self, image: GreyImage) -> GreyImage:
        """Preprocess one image: uint8 ``(H, W)`` in, uint8 `output_size` out, ink bright on 0.

        Raises
        ------
        ImageError
            If the image is no grey image, or nothing on it is clearly darker than the paper.
        """
        located = _locate(check_grey(image), self._tail)
        canvas = self._place(_evened(located.ink), located)
        return self._with_statistics(canvas, located, image) if self._statistics else canvas

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Return ``located`` (the part with ink), ``ink`` (paper removed, evened out), ``canvas``.

        With `statistics` there follows ``statistics``, the canvas with the three rows below it.

        Raises
        ------
        ImageError
            If the image is no grey image, or nothing on it is clearly darker than the paper.
        """
        located = _locate(check_grey(image), self._tail)
        even = _evened(located.ink)
        canvas = self._place(even, located)
        found = {"located": located.part.copy(), "ink": even.picture(), "canvas": canvas}
        if self._statistics:
            found["statistics"] = self._with_statistics(canvas, located, image)
        return found

    def _place(self, even: _Even, located: _Located) -> GreyImage:
        """Scale so that the box fits into the canvas, its middle on the canvas's middle."""
        height, width = self._size
        top, bottom, left, right = _box(located.ink, self._tail)
        free = 1.0 - 2.0 * self._margin
        scale = min(free * height / (bottom - top), free * width / (right - left))
        tall, wide = height / scale, width / scale
        y, x = 0.5 * (top + bottom - tall), 0.5 * (left + right - wide)
        down = Resampling(y, tall, height, even.shape[0])
        across = Resampling(x, wide, width, even.shape[1])
        small = across(down(even.ink, even.top).T, even.left).T
        inked = small[small > 32.0]
        strength = percentile(inked, 0.75) if inked.size else 255.0
        return to_bytes(small * np.float32(255.0 / strength))

    def _with_statistics(self, canvas: GreyImage, located: _Located, image: GreyImage) -> GreyImage:
        depth: Floats = reused("depth of the image", located.part.shape, np.float32)
        depth[...] = located.ink.depth[1:-1, 1:-1]
        levels = ink_levels(depth, located.shrunk)
        if black_and_white(image):  # ink is black there, however pale thin lines become as the scan is shrunk
            levels[2] = 255
        return np.concatenate([canvas, np.repeat(levels[:, np.newaxis], self._size[1], axis=1)])


@dataclass(frozen=True)
class _Located:
    """The part of an image with ink, at a resolution that shows it well."""

    part: GreyImage
    ink: Ink
    shrunk: float
    """Pixels of the original image for one of the part."""


def _locate(image: GreyImage, tail: float) -> _Located:
    """Find the part with ink on the whole image, shrunk, and look at it as closely as its size allows."""
    small = shrunk(image, _WORK)
    ink = find_ink(small)
    if small is image:
        return _Located(image, ink, 1.0)
    top, bottom, left, right = _box(ink, tail)
    share = 0.06 * max(bottom - top, right - left) + 4
    scale = image.shape[0] / small.shape[0], image.shape[1] / small.shape[1]
    y0, y1 = max(0, int((top - share) * scale[0])), int((bottom + share) * scale[0]) + 1
    x0, x1 = max(0, int((left - share) * scale[1])), int((right + share) * scale[1]) + 1
    part = image[y0:y1, x0:x1]
    if part.shape == image.shape:  # all of it: there is nothing more to see
        return _Located(small, ink, scale[1])
    closer = shrunk(part, _WORK)
    return _Located(closer, find_ink(closer), part.shape[1] / closer.shape[1])


@dataclass(frozen=True)
class _Even:
    """Ink of even darkness, 0 to 255, of which only the rectangle that is not 0 is held."""

    ink: Floats
    top: int
    left: int
    shape: tuple[int, ...]
    """Of the image that it lies on."""

    def picture(self) -> GreyImage:
        """The whole image, uint8."""
        whole = np.zeros(self.shape, dtype=np.uint8)
        rows, columns = self.ink.shape
        whole[self.top : self.top + rows, self.left : self.left + columns] = to_bytes(self.ink)
        return whole


def _evened(ink: Ink) -> _Even:
    """Take away what the paper is dark by itself, and make faint and strong pens alike."""
    (top, bottom), (left, right) = _extent(ink.rows), _extent(ink.columns)
    width = ink.mask.shape[1]
    mask = ink.mask[top:bottom].reshape(-1)
    # The same rows of the depth, from the frame's second column on.
    begin = (top + 1) * width + 1
    depth = ink.depth.reshape(-1)[begin : begin + mask.size]
    even: Floats = reused("even", mask.shape, np.float32)
    np.subtract(depth, np.float32(0.3 * ink.cut), out=even)
    inked = even[mask]
    factors: Floats = reused("factors", mask.shape, np.float32)
    np.multiply(_grown(mask, width), np.float32(255.0 / percentile(inked[inked > 0], 0.6)), out=factors)
    even *= factors
    np.clip(even, 0.0, 255.0, out=even)
    shape = len(ink.rows), len(ink.columns)
    return _Even(even.reshape(-1, width)[:, left:right], top, left, shape)


def _extent(counts: Places) -> tuple[int, int]:
    """First and last place with ink, and a pixel around them, as the ends of a slice."""
    present = np.flatnonzero(counts)
    return max(0, int(present[0]) - 1), min(int(present[-1]) + 2, len(counts))


def _grown(mask: Mask, width: int) -> Mask:
    """The mask grown by a pixel in all directions; rows of `width` in a line, the last columns False."""
    rows = mask.copy()
    rows[width:] |= mask[:-width]
    rows[:-width] |= mask[width:]
    grown = rows.copy()
    grown[1:] |= rows[:-1]
    grown[:-1] |= rows[1:]
    return grown


def _box(ink: Ink, tail: float) -> tuple[float, float, float, float]:
    """Top, bottom, left, right of the box with nearly all ink; at least four pixels a side."""
    ends: list[float] = []
    for counts in (ink.rows, ink.columns):
        share = np.cumsum(counts, dtype=np.int64)
        low = int(np.searchsorted(share, tail * share[-1], side="right"))
        high = int(np.searchsorted(share, (1.0 - tail) * share[-1], side="left")) + 1
        spare = max(0.0, 4.0 - (high - low)) / 2.0
        ends += [low - spare, high + spare]
    return ends[0], ends[1], ends[2], ends[3]
