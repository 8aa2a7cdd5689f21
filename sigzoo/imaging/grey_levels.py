"""From more than 8 bits a sample to 8: which values are black and white, decided by what the file says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import ImageError
from sigzoo.interfaces import warn

__all__ = ["choose_range", "scale_to_bytes"]

_TOPS = (255, 1023, 4095, 16_383, 65_535)
"""Highest values of what scanners give: 8, 10, 12, 14 and 16 bits."""

_HINT = "; state it with grey_range=(black, white) (--grey-range on the command line)"


def choose_range(
    low: float,
    high: float,
    *,
    bits: int | None = None,
    floating: bool = False,
    stated: tuple[float, float] | None = None,
    demanded: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Which values are the darkest and the brightest.

    Parameters
    ----------
    low, high
        The extremes of the image.
    bits
        Bits a sample of whole numbers, where the type or the file says; `None` where neither does.
    floating
        Whether the samples are floating point, whose range is 0 to 1 unless something says otherwise.
    stated
        What the file's tags say.
    demanded
        What the caller says, which overrules all.

    Raises
    ------
    ImageError
        If the values are not finite, or no range is plausible and none is stated.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError("the image holds values that are not finite.")
    if demanded is not None:
        return _checked(demanded)
    if stated is not None and stated[0] <= low and high <= stated[1]:
        return stated
    if stated is not None:
        warn(f"its values go from {low:g} to {high:g}, beyond the {stated[0]:g} to {stated[1]:g} of its tags")
    if low < (-0.5 if floating else 0):
        raise ImageError(f"its values go from {low:g} to {high:g}, and nothing says which is white{_HINT}.")
    return _range_of_floats(low, high) if floating else _range_of_integers(high, bits)


def _checked(demanded: Sequence[float]) -> tuple[float, float]:
    try:
        black, white = map(float, demanded)
    except (TypeError, ValueError):
        raise ImageError(f"grey_range is (black, white), two numbers; got {demanded!r}.") from None
    if not (np.isfinite(black) and np.isfinite(white) and black != white):
        raise ImageError(f"grey_range is (black, white), two different numbers; got {demanded!r}.")
    return black, white


def _range_of_integers(high: float, bits: int | None) -> tuple[float, float]:
    full = float(2**bits - 1) if bits else None
    # Paper that is darker than a quarter of white is no paper: fewer bits in a wider type.
    if full is not None and (high > full / 4 or high == 0 or bits == 12):
        return 0.0, full
    top = next((float(top) for top in _TOPS if high <= top), full)
    if top is None:
        raise ImageError(f"its values go up to {high:g}, and nothing says which is white{_HINT}.")
    if top != full:
        what = f"{bits} bits a sample" if bits else "nothing says which value is white"
        warn(f"{what}, but no value above {high:g}: taken as 0 to {top:g}, which is a guess{_HINT}")
    return 0.0, top


def _range_of_floats(low: float, high: float) -> tuple[float, float]:
    if low >= -0.001 and high <= 1.001:
        return 0.0, 1.0
    if high <= 2:
        warn(f"floating point from {low:g} to {high:g}: cut to 0 to 1, which is a guess{_HINT}")
        return 0.0, 1.0
    top = next((float(top) for top in (255, 65_535) if high <= top * 1.001), None)
    if top is None or low < -0.001 * top:
        raise ImageError(f"its values go from {low:g} to {high:g}, and nothing says which is white{_HINT}.")
    warn(f"floating point up to {high:g}: taken as 0 to {top:g}, which is a guess{_HINT}")
    return 0.0, top


def scale_to_bytes(values: NDArray[np.number], levels: tuple[float, float]) -> NDArray[np.uint8]:
    """Scale values so that `levels` become 0 and 255; what lies outside is cut."""
    black, white = levels
    scaled = (values.astype(np.float64) - black) * (255.0 / (white - black))
    levels_of_8_bits: NDArray[np.uint8] = np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8)
    return levels_of_8_bits


def extremes(blocks: Iterator[NDArray[np.number]]) -> tuple[float, float]:
    """Lowest and highest value; not finite where one of them is not."""
    low, high = np.inf, -np.inf
    for block in blocks:
        # minimum and maximum carry a NaN on
        low, high = np.minimum(low, block.min()), np.maximum(high, block.max())
    return float(low), float(high)
