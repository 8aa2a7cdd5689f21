"""Memory that a thread uses again for every image, as fresh pages cost as much as the work on them."""

from __future__ import annotations

from math import prod
from threading import local
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["reused"]

_MOST = 1 << 22
"""Bytes of the largest array that is kept."""


class _Kept(local):
    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.uint8]] = {}


_kept = _Kept()


def reused(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array of arbitrary content: the same memory at every call of this thread with the same name.

    What it holds is good until then: it is for what is needed on the way, and nothing that is given back.

    Parameters
    ----------
    name
        Of the memory; other names have memory of their own.
    shape, dtype
        Of the array.

    Returns
    -------
    array
        Of that shape and dtype, its content whatever was there before.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    kept = _kept.arrays.get(name)
    if kept is None or kept.size < size:
        kept = np.empty(size, dtype=np.uint8)
        if size <= _MOST:
            _kept.arrays[name] = kept
    return kept[:size].view(dtype).reshape(shape)
