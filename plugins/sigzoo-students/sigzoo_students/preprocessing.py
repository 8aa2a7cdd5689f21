"""Preprocessing of the bundled models: any resolution, scans, two-level images and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.interfaces import GreyImage, ImageError, Preprocessor, Size, UsageError, check_grey

__all__ = ["SynsigPreprocessor", "ink_levels"]

Floats = NDArray[np.float32]

_WORK = 720
"""Longest side in pixels at which paper and ink are told apart."""
_BLOCK = 24
"""Blocks along the longest side from which the paper's brightness is estimated."""
_FAINTEST = 6.0
"""Grey levels by which ink, slightly blurred, must be darker than the paper around it, on average."""
_CLEAREST = 1.5
"""The same in standard deviations of the noise."""
_FAINT = 24.0
"""Below this many grey levels, ink must be sparse: faint and everywhere is a shadow."""
_SPARSE = 0.22
"""Largest share of the image that faint ink covers."""


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
        and width of the stroke in the image's own pixels, and darkness of the ink.
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

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Return ``located`` (the part with ink), ``ink`` (paper removed, evened out), ``canvas``.

        With `statistics` there follows ``statistics``, the canvas with the three rows below it.

        Raises
        ------
        ImageError
            If the image is no grey image, or nothing on it is clearly darker than the paper.
        """
        crop, shrunk = _locate(check_grey(image), self._tail)
        ink, mask, depth = _ink(crop)
        strength = float(np.percentile(ink[mask & (ink > 0)], 60))
        even = np.clip(ink * (255.0 / strength), 0.0, 255.0)
        even[~_near(mask)] = 0.0
        canvas = self._place(even, _box(mask, self._tail))
        found = {"located": crop, "ink": _bytes(even), "canvas": canvas}
        if self._statistics:
            rows = np.repeat(ink_levels(depth, shrunk)[:, np.newaxis], self._size[1], axis=1)
            found["statistics"] = np.concatenate([canvas, rows])
        return found

    def _place(self, even: Floats, box: tuple[float, float, float, float]) -> GreyImage:
        """Scale so that the box fits into the canvas, its middle on the canvas's middle."""
        height, width = self._size
        top, bottom, left, right = box
        free = 1.0 - 2.0 * self._margin
        scale = min(free * height / (bottom - top), free * width / (right - left))
        tall, wide = height / scale, width / scale
        y, x = 0.5 * (top + bottom - tall), 0.5 * (left + right - wide)
        pad = [
            max(0, int(np.ceil(v))) + 1 for v in (-y, y + tall - even.shape[0], -x, x + wide - even.shape[1])
        ]
        padded = Image.fromarray(np.pad(even, ((pad[0], pad[1]), (pad[2], pad[3]))))
        part = (x + pad[2], y + pad[0], x + pad[2] + wide, y + pad[0] + tall)
        small: Floats = np.asarray(padded.resize((width, height), Image.Resampling.BILINEAR, box=part))
        inked = small[small > 32.0]
        strength = float(np.percentile(inked, 75)) if inked.size else 255.0
        return _bytes(small * np.float32(255.0 / strength))


def ink_levels(depth: Floats, shrunk: float = 1.0) -> GreyImage:
    """Describe the ink by three levels, 0 to 255.

    Parameters
    ----------
    depth
        float32 ``(H, W)``: how much darker than the paper a pixel is, 0 to 255.
    shrunk
        Pixels of the original image for one of these.

    Returns
    -------
    uint8 ``(3,)``
        With the ink's area (pixels above Otsu's threshold) and the number of its runs, along rows or
        columns, whichever are more: ``255 / 12 * log(runs)``, the length of the line, from 1 to e^12
        pixels; ``255 / 6 * (log(area / runs) + 1)``, the width of the stroke, from e^-1 to e^5 pixels;
        and the mean depth of the ink.
    """
    mask = depth >= _threshold(depth)[0]
    padded = np.pad(mask, 1)
    down, across = padded[1:] & ~padded[:-1], padded[:, 1:] & ~padded[:, :-1]
    runs = max(1, int(down.sum()), int(across.sum()))
    width, length = max(1, int(mask.sum())) / runs * shrunk, runs * shrunk
    dark = float(depth[mask].mean()) if mask.any() else 0.0
    return _bytes(
        np.array([255 / 12 * np.log(length), 255 / 6 * (np.log(width) + 1.0), dark], dtype=np.float32)
    )


def _bytes(values: Floats) -> GreyImage:
    return (values + np.float32(0.5)).clip(0, 255).astype(np.uint8)


def _resized(image: Any, size: tuple[int, int], method: Image.Resampling) -> Any:
    """Resize an array to ``(h, w)``; Pillow averages over what it shrinks."""
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), method))


def _shrunk(image: GreyImage) -> GreyImage:
    longest = max(image.shape)
    if longest <= _WORK:
        return image
    height, width = (max(1, round(side * _WORK / longest)) for side in image.shape)
    small: GreyImage = _resized(image, (height, width), Image.Resampling.BOX)
    return small


def _locate(image: GreyImage, tail: float) -> tuple[GreyImage, float]:
    """Cut out the part with ink at a resolution that shows it well; and by how much it was shrunk."""
    small = _shrunk(image)
    if small is image:
        return image, 1.0
    _, mask, _ = _ink(small)
    top, bottom, left, right = _box(mask, tail)
    share = 0.06 * max(bottom - top, right - left) + 4
    scale = image.shape[0] / small.shape[0], image.shape[1] / small.shape[1]
    y0, y1 = max(0, int((top - share) * scale[0])), int((bottom + share) * scale[0]) + 1
    x0, x1 = max(0, int((left - share) * scale[1])), int((right + share) * scale[1]) + 1
    part = image[y0:y1, x0:x1]
    result = _shrunk(part)
    return result, float(part.shape[1]) / float(result.shape[1])


def _ink(image: GreyImage) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Ink against the paper, which pixels are ink, and the darkness of all against the paper.

    Raises
    ------
    ImageError
        If no pixels stand out.
    """
    grey = image.astype(np.float32)
    low, high = np.percentile(grey, (0.5, 99.5))
    if float(np.median(grey)) < 0.5 * (low + high) - 1.0:
        grey = 255.0 - grey
    depth = np.maximum(_paper(grey) - grey, 0.0)
    smooth = _smoothed(depth)
    cut, contrast = _threshold(smooth)
    floor = 3.0 * float(np.median(smooth)) + 6.0
    mask = smooth > max(min(floor, cut), 0.6 * cut)
    shadow = contrast < _FAINT and float(mask.mean()) > _SPARSE
    if contrast < max(_FAINTEST, _CLEAREST * _noise(grey)) or shadow or not mask.any():
        raise ImageError(
            f"the image ({image.shape[0]} x {image.shape[1]}) holds no ink: nothing stands out from the "
            "paper. Check that it is the right file and not a blank page."
        )
    return np.maximum(depth - 0.3 * cut, 0.0), mask, depth


def _noise(grey: Floats) -> float:
    """Standard deviation of the noise, from the median difference between neighbours."""
    if grey.shape[1] < 2:
        return 0.0
    difference = float(np.median(np.abs(np.diff(grey, axis=1))))
    return difference / 0.954


def _paper(grey: Floats) -> Floats:
    """Brightness of the paper at every pixel, from bright pixels of the blocks around it."""
    block = max(8, -(-max(grey.shape) // _BLOCK))
    rows, columns = (-(-side // block) for side in grey.shape)
    padded = np.pad(
        grey, ((0, rows * block - grey.shape[0]), (0, columns * block - grey.shape[1])), mode="edge"
    )
    blocks = padded.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(rows, columns, -1)
    bright = np.partition(blocks, int(0.8 * block * block), axis=2)[:, :, int(0.8 * block * block)]
    bright = _neighbours(bright).max(axis=0)
    bright = _neighbours(bright).mean(axis=0)
    full = (rows * block, columns * block)
    field: Floats = _resized(bright, full, Image.Resampling.BILINEAR)
    return field[: grey.shape[0], : grey.shape[1]]


def _neighbours(values: Floats) -> Floats:
    """Return the nine values around each place, ``(9, H, W)``; edges repeat."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return np.stack([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)])


def _smoothed(values: Floats) -> Floats:
    """Mean of 3 x 3 pixels, weights 1 2 1 in each direction."""
    p = np.pad(values, 1, mode="edge")
    rows = p[:-2] + 2.0 * p[1:-1] + p[2:]
    smooth: Floats = (rows[:, :-2] + 2.0 * rows[:, 1:-1] + rows[:, 2:]) * np.float32(1.0 / 16.0)
    return smooth


def _near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask grown by a pixel in all directions."""
    p = np.pad(mask, 1)
    rows = p[:-2] | p[1:-1] | p[2:]
    grown: NDArray[np.bool_] = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return grown


def _threshold(depth: Floats) -> tuple[float, float]:
    """Otsu's threshold of the darkness, and how far the means of its two classes lie apart."""
    counts = np.bincount(np.clip(depth, 0, 255).astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256.0)
    below, total = np.cumsum(counts), counts.sum()
    moment = np.cumsum(counts * levels)
    above = total - below
    valid = (below > 0) & (above > 0)
    if not valid.any():
        return 255.0, 0.0
    under = moment / np.maximum(below, 1)
    over = (moment[-1] - moment) / np.maximum(above, 1)
    between = np.where(valid, below * above * (over - under) ** 2, -1.0)
    best = int(between.argmax())
    return best + 1.0, float(over[best] - under[best])


def _box(mask: NDArray[np.bool_], tail: float) -> tuple[float, float, float, float]:
    """Top, bottom, left, right of the box with nearly all ink; at least four pixels a side."""
    ends: list[float] = []
    for axis in (1, 0):
        share = np.cumsum(mask.sum(axis=axis))
        low = int(np.searchsorted(share, tail * share[-1], side="right"))
        high = int(np.searchsorted(share, (1.0 - tail) * share[-1], side="left")) + 1
        spare = max(0.0, 4.0 - (high - low)) / 2.0
        ends += [low - spare, high + spare]
    return ends[0], ends[1], ends[2], ends[3]
