"""Images of object stores: which names are such, what lies below a prefix, and fetching one."""

from __future__ import annotations

import os
import re

from sigzoo.common.limits import MAX_REMOTE_IMAGE
from sigzoo.common.remote import is_remote, list_remote, read_remote, without_password
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ImageError, SigzooError, UsageError
from sigzoo.imaging.image_formats import SUFFIXES
from sigzoo.imaging.sources import FetchedImage

__all__ = ["FetchedImage", "fetch_image", "find_remote_images", "is_remote_image", "split_remote_page"]

_PAGE = re.compile(r"(.+)#(\d{1,6})")


def is_remote_image(source: object) -> bool:
    """Whether an image is named by the URL of an object store."""
    return isinstance(source, str) and is_remote(source)


def fetch_image(source: object) -> FetchedImage:
    """Fetch an image; of one that cannot be had the error is kept."""
    url = os.fsdecode(source) if isinstance(source, str | os.PathLike) else str(source)
    name = without_password(url)
    try:
        return FetchedImage(name, read_remote(split_remote_page(url)[0], MAX_REMOTE_IMAGE, ImageError))
    except SigzooError as error:
        return FetchedImage(name, error=str(error))


def split_remote_page(url: str) -> tuple[str, int | None]:
    """Take the page off a URL such as ``s3://bucket/file.tif#2``."""
    found = _PAGE.fullmatch(url)
    return (url, None) if found is None else (found[1], int(found[2]))


def find_remote_images(pattern: str) -> list[str]:
    """URLs of the images that an object, a prefix with all below, or a wildcard stands for.

    Raises
    ------
    UsageError
        If there is none.
    """
    if split_remote_page(pattern)[0].lower().endswith(tuple(SUFFIXES)) and "*" not in pattern:
        return [pattern]
    found = [
        url
        for url in list_remote(pattern, UsageError, deep=True)
        if url.lower().endswith(tuple(SUFFIXES)) and not url.rpartition("/")[2].startswith(".")
    ]
    if not found:
        raise UsageError(
            f"{safe_text(pattern)}: there is no image below it (known suffixes:"
            f" {' '.join(sorted(SUFFIXES))})."
        )
    return found
