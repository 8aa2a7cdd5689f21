"""The resolution that an image file states."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image

from sigzoo.imaging.image_formats import FORMATS

__all__ = ["stated_resolution"]


def stated_resolution(path: Path) -> float | None:
    """Dots per inch that a file states; `None` where it states none, or cannot be read.

    Only the header is read, no pixel is decoded.
    """
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            found = image.info.get("dpi")
            dpi = float(found[0]) if isinstance(found, tuple) and found else None
    except Exception:  # Pillow's readers raise many kinds on damaged files; whoever reads the image says why
        return None
    return dpi if dpi is not None and math.isfinite(dpi) and dpi > 1 else None
