"""Grey images as every part takes them, and warnings of one image that whoever knows its name collects."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import ImageError, SigzooWarning

__all__ = ["GreyImage", "Size", "check_grey", "collected_warnings", "warn"]

GreyImage = NDArray[np.uint8]
"""A grey image, uint8 ``(H, W)``."""

Size = tuple[int, int]
"""Height and width in pixels."""


def check_grey(image: Any) -> GreyImage:
    """Return `image` unchanged if it is a grey image, else say what it is.

    Parameters
    ----------
    image
        Anything; expected is a numpy array, uint8 ``(H, W)``, neither side 0.

    Returns
    -------
    array
        The image, as uint8 ``(H, W)``.

    Raises
    ------
    ImageError
        If it is not an array, of another dtype or number of axes, or empty.
    """
    expected = "expected a grey image: a numpy array, uint8 (height, width), 0 ink and 255 paper"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{expected}; got {type(image).__name__}.")
    if image.dtype != np.uint8:
        nan = image.dtype.kind == "f" and bool(np.isnan(image).any())
        raise ImageError(f"{expected}; got dtype {image.dtype}{' holding NaN' if nan else ''}.")
    if image.ndim != 2 or image.size == 0:
        raise ImageError(f"{expected}; got shape {image.shape}.")
    return image


_collector: ContextVar[list[str] | None] = ContextVar("sigzoo warnings", default=None)


def warn(message: str) -> None:
    """Warn of an image; whoever knows which image it is adds its name.

    A plugin's preprocessor uses this in place of `warnings.warn`; the category is `SigzooWarning`.

    Parameters
    ----------
    message
        For the user, of the image at hand.
    """
    collector = _collector.get()
    if collector is None:
        warnings.warn(message, SigzooWarning, stacklevel=3)
    else:
        collector.append(message)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect what `warn` says in this thread during the block."""
    messages: list[str] = []
    token = _collector.set(messages)
    try:
        yield messages
    finally:
        _collector.reset(token)
