"""Drawn signatures and other pages for checks; the same at every call."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from sigzoo.interfaces import GreyImage, Size

__all__ = ["blank", "huge", "signature"]


def signature(writer: int = 0, size: Size = (300, 640)) -> GreyImage:
    """Draw a signature: dark strokes on white paper, uint8 ``(h, w)``; the same number, the same image."""
    height, width = size
    rng = np.random.default_rng(writer)
    page = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(page)
    thick = max(2, min(size) // 40)
    inner = rng.uniform((0.12 * width, 0.2 * height), (0.88 * width, 0.8 * height), size=(14, 2))
    pen.line([(float(x), float(y)) for x, y in inner], fill=20, width=thick, joint="curve")
    for x, y in inner[:4]:
        pen.arc((x - 0.08 * width, y - 0.1 * height, x + 0.08 * width, y + 0.1 * height), 0, 300, 60, thick)
    return np.asarray(page, dtype=np.uint8).copy()


def blank(size: Size = (300, 640)) -> GreyImage:
    """White paper, uint8 ``(h, w)``."""
    return np.full(size, 255, dtype=np.uint8)


def huge() -> GreyImage:
    """A signature on a page of 300 dpi, uint8 (3508, 2480)."""
    page = blank((3508, 2480))
    page[2600:2900, 1200:1840] = signature(5)
    return page
