"""What OpenCV computes of grey images, in numpy: blurs, thresholds and resizing, rounded as it rounds.

Each function names the call that it stands for, and gives what the packages of OpenCV 4 and 5 for x86 give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "adaptive_gaussian_threshold",
    "gaussian_blur",
    "median_blur",
    "resize_area",
    "resize_cubic",
]

Grey = NDArray[np.uint8]
Float = NDArray[np.float32]

_BINOMIALS = {3: (1, 2, 1), 5: (1, 4, 6, 4, 1)}


def median_blur(image: Grey) -> Grey:
    """``cv2.medianBlur(image, 3)``: the median of 3 x 3 pixels; the border is repeated.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.
    """
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    rows = [padded[top : top + height] for top in range(3)]
    low, middle, high = _sorted(*rows)
    columns = [slice(left, left + width) for left in range(3)]
    # The median is that of the largest minimum, the median of the medians and the smallest maximum.
    lowest = np.maximum(np.maximum(low[:, columns[0]], low[:, columns[1]]), low[:, columns[2]])
    highest = np.minimum(np.minimum(high[:, columns[0]], high[:, columns[1]]), high[:, columns[2]])
    median = _sorted(*(middle[:, each] for each in columns))[1]
    found: Grey = _sorted(lowest, median, highest)[1]
    return found


def _sorted(one: Grey, two: Grey, three: Grey) -> tuple[Grey, Grey, Grey]:
    """Three images, sorted at each pixel."""
    small, large = np.minimum(one, two), np.maximum(one, two)
    return (
        np.minimum(small, three),
        np.maximum(small, np.minimum(large, three)),
        np.maximum(large, three),
    )


def gaussian_blur(image: Grey, size: int) -> Grey:
    """``cv2.GaussianBlur(image, (size, size), 0)``: binomial weights; the border is mirrored.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.
    size
        3 or 5 pixels.
    """
    weights = _BINOMIALS[size]
    padded = np.pad(image.astype(np.int32), size // 2, mode="reflect")
    total = _weighted(_weighted(padded, weights, 0), weights, 1)
    scale = sum(weights) ** 2
    blurred: Grey = ((total + scale // 2) // scale).astype(np.uint8)
    return blurred


def adaptive_gaussian_threshold(image: Grey, size: int, offset: int) -> NDArray[np.bool_]:
    """Where ``cv2.adaptiveThreshold(..., ADAPTIVE_THRESH_GAUSSIAN_C, THRESH_BINARY, size, offset)`` is white.

    Those pixels are brighter than the Gaussian mean around them less `offset`. The border is repeated.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.
    size
        Side of the neighbourhood, odd and above 7.
    offset
        Grey levels.
    """
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    places = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-0.5 / sigma**2 * places**2)
    weights = (kernel / kernel.sum()).astype(np.float32)
    padded = np.pad(image.astype(np.float32), size // 2, mode="edge")
    mean = np.rint(_weighted(_weighted(padded, weights, 1), weights, 0))
    found: NDArray[np.bool_] = image > mean - offset
    return found


def _weighted(padded: NDArray[Any], weights: Sequence[int] | Float, axis: int) -> NDArray[Any]:
    """Weighted sum of an image moved along an axis, in its dtype; shorter by all weights but one."""
    length = padded.shape[axis] - len(weights) + 1
    parts = (
        padded[start : start + length] if axis == 0 else padded[:, start : start + length]
        for start in range(len(weights))
    )
    total: NDArray[Any] = np.zeros((), padded.dtype)
    for part, weight in zip(parts, weights, strict=True):
        total = total + part * padded.dtype.type(weight)
    return total


def resize_area(image: Grey, size: tuple[int, int]) -> Grey:
    """``cv2.resize(..., interpolation=INTER_AREA)`` to something smaller: the mean of the area of a pixel.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.
    size
        ``(h, w)``, no larger than the image in either axis.
    """
    (height, width), (out_height, out_width) = image.shape, size
    # As OpenCV computes them: the quotient and its inverse, both rounded.
    down, across = 1.0 / (out_height / height), 1.0 / (out_width / width)
    if all(abs(scale - round(scale)) < np.finfo(float).eps for scale in (down, across)):
        blocks = image.reshape(out_height, round(down), out_width, round(across)).sum(
            axis=(1, 3), dtype=np.int64
        )
        mean = blocks.astype(np.float32) * np.float32(1.0 / (round(down) * round(across)))
    else:
        rows = _area_sum(image.astype(np.float32).T, across, out_width).T
        mean = _area_sum(rows, down, out_height)
    shrunk: Grey = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
    return shrunk


def _area_sum(values: Float, scale: float, length: int) -> Float:
    """Weighted sums of the rows in each of `length` cells of `scale` rows, in single precision."""
    count = len(values)
    starts = np.arange(length) * scale
    ends = starts + scale
    widths = np.minimum(scale, count - starts)
    last = np.minimum(np.floor(ends).astype(np.int64), count - 1)
    first = np.minimum(np.ceil(starts).astype(np.int64), last)
    before, after = first - starts, ends - last
    total = np.zeros((length, values.shape[1]), np.float32)

    def add(places: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        nonlocal total
        single = weights.astype(np.float32)[:, np.newaxis]
        total = total + values[np.clip(places, 0, count - 1)] * single

    # Parts of rows of less than a thousandth are left out.
    add(first - 1, np.where(before > 1e-3, before / widths, 0.0))
    for step in range(int((last - first).max())):
        add(first + step, np.where(first + step < last, 1.0 / widths, 0.0))
    add(last, np.where(after > 1e-3, np.minimum(np.minimum(after, 1.0), widths) / widths, 0.0))
    return total


def resize_cubic(image: Grey, size: tuple[int, int]) -> Grey:
    """``cv2.resize(..., interpolation=INTER_CUBIC)``: cubic convolution with a = -0.75.

    In single precision, as the packages of OpenCV for x86 compute it with Intel's IPP. Without that, as
    on ARM, OpenCV rounds weights to 1/2048, and pixels may be one grey level off.

    Parameters
    ----------
    image
        uint8 ``(H, W)``.
    size
        ``(h, w)``.
    """
    values = image.astype(np.float32)
    for axis in (1, 0):
        places, weights = _cubic_weights(image.shape[axis], size[axis])
        weights = weights[..., np.newaxis] if axis == 0 else weights
        parts = [values.take(place, axis) * weight for place, weight in zip(places, weights, strict=True)]
        values = (parts[0] + parts[1]) + (parts[2] + parts[3])  # rounded as IPP rounds, also at halves
    enlarged: Grey = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return enlarged


def _cubic_weights(length: int, out_length: int) -> tuple[NDArray[np.int64], Float]:
    """Places of four neighbours of each result, ``(4, out)``, and their weights."""
    a = np.float32(-0.75)
    centres = (np.arange(out_length) + 0.5) * (length / out_length) - 0.5
    first = np.floor(centres)
    x = (centres - first).astype(np.float32)
    weights = [
        a * x * (1 - x) * (1 - x),
        ((a + 2) * x - (a + 3)) * x * x + 1,
        ((2 * a + 3) - (a + 2) * x) * x * x - a * x,
        a * x * x * (1 - x),
    ]
    places = first.astype(np.int64) + np.arange(-1, 3)[:, np.newaxis]
    return np.clip(places, 0, length - 1), np.stack(weights)
