"""What is looked up of each image of a data set, one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.parallel import ordered_map
from sigzoo.errors import DataError, ImageError
from sigzoo.evaluation.baseline import ink_statistics, scan_statistics
from sigzoo.imaging.resolution import stated_resolution
from sigzoo.interfaces import collected_warnings
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.verification.copies import ink_picture

__all__ = ["CUES", "ImageFacts", "all_facts"]

CUES = (
    *("grey of the paper", "number of grey levels", "height", "width", "resolution", "file size"),
    *("ink area", "aspect", "stroke width", "darkness"),
)
"""Numbers about an image that know nothing of handwriting; `ImageFacts.cues` holds them in this order."""

_AHEAD = 32


@dataclass(frozen=True)
class ImageFacts:
    """What is known of one image."""

    name: str
    height: int = 0
    width: int = 0
    levels: int = 0
    """Grey levels that it has."""
    cues: tuple[float | None, ...] = (None,) * len(CUES)
    """Of `CUES`, those that can be told."""
    file_digest: bytes | None = None
    """SHA-256 of the file, where it has one of its own."""
    pixel_digest: bytes | None = None
    """SHA-256 of size and grey levels."""
    ink: NDArray[np.uint8] | None = None
    """Its `ink_picture`, 4.5 kB, by which copies of one signature are found."""
    unreadable: str | None = None
    """Why it cannot be read."""
    blank: bool = False
    """Whether there is no ink on it."""


def all_facts(opened: SignatureSet) -> Iterator[ImageFacts]:
    """Look at all images in their order, in threads where each has a file; some 5 kB an image are kept."""
    look = partial(_facts, opened)
    alone = not len(opened) or opened.file_of(0) is None
    yield from map(look, range(len(opened))) if alone else ordered_map(look, range(len(opened)), ahead=_AHEAD)


def _facts(opened: SignatureSet, index: int) -> ImageFacts:
    name, path = opened.name(index), opened.file_of(index)
    try:
        content = None if path is None else path.read_bytes()
        with collected_warnings():
            image = opened.read(index)
    except OSError as error:
        return ImageFacts(name, unreadable=f"cannot be read: {error.strerror or error}")
    except (ImageError, DataError) as error:
        return ImageFacts(name, unreadable=str(error).removeprefix(f"{name}: "))
    paper, levels, tall = scan_statistics(image).tolist()
    try:
        ink: tuple[float | None, ...] = tuple(ink_statistics(image).tolist())
    except ImageError:
        ink = (None,) * 4
    resolution = None if path is None else stated_resolution(path)
    size = None if content is None else float(np.log(max(1, len(content))))
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return ImageFacts(
        name,
        height=image.shape[0],
        width=image.shape[1],
        levels=int(levels),
        cues=(paper, levels, tall, float(np.log(image.shape[1])), resolution, size, *ink),
        file_digest=None if content is None else hashlib.sha256(content).digest(),
        pixel_digest=digest.digest(),
        ink=None if ink[0] is None else ink_picture(image),
        blank=ink[0] is None,
    )
