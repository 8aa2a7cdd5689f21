"""Files of several pages or frames: which one is read, and naming one as ``file.tif#2``."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from sigzoo.errors import ImageError
from sigzoo.imaging.tiff_layout import TiffPage
from sigzoo.interfaces import warn

__all__ = ["choose_frame", "choose_page", "split_page"]

_PAGE = re.compile(r"(.+)#(\d{1,9})", re.DOTALL)


def split_page(path: Path) -> tuple[Path, int | None]:
    """Take the page off a name such as ``file.tif#2``; a file of the whole name wins."""
    found = _PAGE.fullmatch(str(path))
    if found is None or path.exists():
        return path, None
    return Path(found.group(1)), int(found.group(2))


def choose_page(pages: list[TiffPage], wanted: int | None) -> int:
    """Which page of a TIFF is read, from 0: the one wanted (from 1), or the first that is no thumbnail.

    Raises
    ------
    ImageError
        If there is no such page.
    """
    if wanted is not None:
        return _checked(wanted, len(pages))
    full = [number for number, page in enumerate(pages) if page.is_full]
    chosen = full[0] if full else 0
    if len(full) > 1:
        _warn("pages", len(full), chosen + 1)
    return chosen


def choose_frame(image: Image.Image, wanted: int | None) -> None:
    """Go to the frame of an opened image that is wanted (from 1); without, warn if there are several.

    Raises
    ------
    ImageError
        If there is no such frame.
    """
    # The further images of an MPO are a camera's previews and depth maps.
    count = int(getattr(image, "n_frames", 1)) if image.format != "MPO" else 1
    if wanted is not None:
        image.seek(_checked(wanted, count))
    elif count > 1 and image.tell() == 0:
        _warn("frames", count, 1)


def _checked(wanted: int, count: int) -> int:
    if not 1 <= wanted <= count:
        raise ImageError(f"there is no page {wanted}: it has {count}, numbered from 1.")
    return wanted - 1


def _warn(what: str, count: int, taken: int) -> None:
    name = "the first" if taken == 1 else f"number {taken}"
    warn(f"it has {count} {what}, of which {name} is taken; name another as `file#2`")
