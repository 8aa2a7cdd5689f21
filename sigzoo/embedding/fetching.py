"""Images of object stores, fetched ahead: a store answers after milliseconds in which cores would wait."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import chain

from sigzoo.common.parallel import Threads, in_order
from sigzoo.imaging import ImageSource
from sigzoo.imaging.remote_images import fetch_image, is_remote_image

__all__ = ["fetched_ahead"]

_THREADS = 16
_AHEAD = 32
"""Images that are fetched before they are needed; each may be as large as the store's limit allows."""


def fetched_ahead(images: Iterable[ImageSource]) -> Generator[ImageSource, None, None]:
    """The images in their order, those of object stores with their content, fetched by several threads.

    No thread is started before the first such image. One that cannot be fetched has its error, which is
    raised when it is read.
    """
    waiting = iter(images)
    for source in waiting:
        if not is_remote_image(source):
            yield source
            continue
        threads = Threads(_fetched, _THREADS)
        try:
            yield from in_order(threads.submit, chain([source], waiting), _AHEAD)
        finally:
            threads.stop()
        return


def _fetched(source: ImageSource) -> ImageSource:
    return fetch_image(source) if is_remote_image(source) else source
