"""Arrays and tensors as grey images: what is unambiguous is taken, of the rest is said what to pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sigzoo.errors import ImageError
from sigzoo.imaging.decode_limits import check_size
from sigzoo.imaging.grey_levels import choose_range, extremes, scale_to_bytes
from sigzoo.imaging.pillow_grey import grey_from_pillow
from sigzoo.interfaces import check_grey

__all__ = ["grey_from_array", "grey_from_tensor"]

_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
_HINT = (
    "an array is uint8 or uint16: grey (height, width) or (height, width, 1), 0 ink and 255 (65535) paper,"
    " RGB (height, width, 3) or RGBA (height, width, 4); for several images pass a list of them"
)


def grey_from_array(array: NDArray[Any], grey_range: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Make an array grey.

    Parameters
    ----------
    array
        uint8 ``(H, W)``, which is returned as it is; uint8 or uint16 ``(H, W)``, ``(H, W, 1)``, RGB
        ``(H, W, 3)`` or RGBA ``(H, W, 4)``; any numbers with `grey_range`.
    grey_range
        Values of black and white of other than uint8.

    Raises
    ------
    ImageError
        If it is something else; says what, and what to pass.
    """
    if array.ndim == 3 and 0 not in array.shape and array.shape[2] in _CHANNELS:
        check_size(array.shape[1], array.shape[0])
        levels = _eight_bits(array, grey_range)
        if array.shape[2] == 1:
            return np.ascontiguousarray(levels[..., 0])
        return grey_from_pillow(Image.fromarray(np.ascontiguousarray(levels)))
    if array.ndim == 2 and array.size and array.dtype != np.uint8:
        check_size(array.shape[1], array.shape[0])
        return _eight_bits(array, grey_range)
    if array.ndim != 2 and array.dtype == np.uint8:
        raise ImageError(f"got an array of shape {array.shape}; {_HINT}.")
    return check_grey(array)


def _eight_bits(array: NDArray[Any], grey_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16 or (grey_range is not None and array.dtype.kind in "uif"):
        low, high = extremes(iter([array]))
        levels = choose_range(low, high, bits=16, demanded=grey_range)
        return scale_to_bytes(array, levels)
    nan = array.dtype.kind == "f" and bool(np.isnan(array).any())
    raise ImageError(
        f"got an array of dtype {array.dtype}{' holding NaN' if nan else ''}; {_HINT}. Of floating point say"
        " which values are black and white: grey_range=(0, 1)."
    )


def grey_from_tensor(tensor: Any, grey_range: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Make a torch tensor grey: as an array, or with the channels first, as torch has them.

    Raises
    ------
    ImageError
        As for `grey_from_array`; and if both its first and last axis may be channels.
    """
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    if array.ndim == 3:
        first, last = array.shape[0] in _CHANNELS, array.shape[2] in _CHANNELS
        if first and last and array.shape[0] != array.shape[2]:
            raise ImageError(
                f"a tensor of shape {array.shape}: its channels may be the first axis or the last; pass"
                " (height, width)."
            )
        if first and not last:
            array = array.transpose(1, 2, 0)
    return grey_from_array(array, grey_range)
