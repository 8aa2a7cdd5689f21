"""Contact sheets: many images in a grid, on white."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["contact_sheet"]


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8] | None]],
    *,
    cell: tuple[int, int] = (110, 240),
    gap: int = 8,
    line_before: int | None = None,
) -> NDArray[np.uint8]:
    """Arrange images in rows, all at the same scale unless one is larger than its cell.

    Parameters
    ----------
    rows
        Images of each row, uint8 ``(H, W)``; `None` leaves a place white.
    cell
        Height and width of a place, pixels.
    gap
        White between places, pixels.
    line_before
        Column before which a line is drawn from top to bottom.

    Returns
    -------
    uint8 ``(H, W)``
    """
    columns = max(len(row) for row in rows)
    height, width = cell
    sheet = Image.new("L", (gap + columns * (width + gap), gap + len(rows) * (height + gap)), 255)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            if image is None:
                continue
            small = Image.fromarray(image)
            small.thumbnail((width, height), Image.Resampling.LANCZOS)
            place = gap + c * (width + gap) + (width - small.width) // 2
            sheet.paste(small, (place, gap + r * (height + gap) + (height - small.height) // 2))
    if line_before is not None and 0 < line_before < columns:
        left = line_before * (width + gap) + gap // 2 - 1
        sheet.paste(0, (left, 0, left + 2, sheet.height))
    return np.asarray(sheet)
