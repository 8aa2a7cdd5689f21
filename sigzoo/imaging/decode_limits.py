"""How much an image may take: pixels, bytes while it is decoded, passes over its data."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image

from sigzoo.errors import ImageError

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "BudgetExceeded",
    "budget",
    "bytes_to_decode",
    "check_scans",
    "check_size",
]

MAX_PIXELS = 100_000_000
"""Largest image: a page of A4 at 1,000 dots an inch."""

MAX_SIDE = 65_535
"""Longest side, which is JPEG's: a column of single pixels costs 12 bytes each in Pillow."""

MAX_BYTES = 600 << 20
"""Memory that decoding may take, for all images that are decoded at a time together."""

MAX_SCANS = 100
"""Passes over a JPEG's data: progressive ones have about 10. Each goes over the whole image."""

MAX_SCANNED_PIXELS = 2_000_000_000
"""Passes times pixels: about 20 seconds."""

_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes a pixel takes in Pillow's memory; all others take 4."""

_OVERHEAD = {"WEBP": 14, "AVIF": 12, "HEIF": 12, "JPEG2000": 20, "GIF": 5}
"""Bytes a pixel that decoders take beside, as measured."""


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse an image that is too large to be a signature, before its pixels are decoded.

    Raises
    ------
    ImageError
        If it has more than `max_pixels` pixels, or a side longer than `MAX_SIDE`.
    """
    if width * height > max_pixels:
        raise ImageError(
            f"{width} x {height} pixels, over {max_pixels / 1_000_000:g} megapixels; cut out the signature,"
            " or scale the image down first."
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{width} x {height} pixels, a side of over {MAX_SIDE}; cut out the signature first."
        )


def bytes_to_decode(image: Image.Image, strip_bytes: int = 0, turned: bool = False) -> int:
    """How much memory decoding an opened image and making it grey take at most.

    Parameters
    ----------
    image
        An image that Pillow has opened and not decoded.
    strip_bytes
        Bytes a pixel in the file, where a strip of it may be the whole image.
    turned
        Whether Pillow turns it, which takes a copy.
    """
    each = _STORED.get(image.mode, 4) + 1 + _OVERHEAD.get(image.format or "", 0)
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        each += 2 * len(image.getbands())  # all coefficients, 16 bits each
    each += strip_bytes + (_STORED.get(image.mode, 4) if turned else 0)
    return each * image.width * image.height + (2 << 20)


def check_scans(file: IO[bytes], width: int, height: int, allowed: int = MAX_SCANS) -> None:
    """Refuse a JPEG whose data are gone over so often that decoding would take minutes.

    Raises
    ------
    ImageError
        If there are more than `allowed` scans, or too many for so many pixels.
    """
    file.seek(0)
    count, last = 0, b""
    while block := file.read(1 << 20):
        count += (last + block).count(b"\xff\xda")
        last = block[-1:]
    if count > allowed or (count > 12 and count * width * height > MAX_SCANNED_PIXELS):
        raise ImageError(
            f"a JPEG of {count} scans, which would take minutes to decode; save it again as an ordinary JPEG."
        )


class BudgetExceeded(BaseException):
    """An image takes more than this process may; no `Exception`, as the image is not at fault."""


class _Budget:
    """Lets work begin while what all of it takes together stays below a limit, or it is alone."""

    def __init__(self) -> None:
        self._most: int | None = None
        self.renew()

    def allow(self, most: int) -> None:
        """Refuse from now on what takes more by itself: others have a budget of their own beside this one."""
        self._most = most

    def renew(self) -> None:
        """Begin anew, as in a forked child, whose parent's threads hold nothing here."""
        self._changed, self._taken = threading.Condition(), 0

    @contextmanager
    def take(self, count: int) -> Iterator[None]:
        """Hold `count` bytes of the budget for the block.

        Raises
        ------
        BudgetExceeded
            If that is more than `allow` has set.
        """
        if self._most is not None and count > self._most:
            raise BudgetExceeded
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + count <= MAX_BYTES)
            self._taken += count
        try:
            yield
        finally:
            with self._changed:
                self._taken -= count
                self._changed.notify_all()


budget = _Budget()
"""What all threads of this process share."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=budget.renew)
