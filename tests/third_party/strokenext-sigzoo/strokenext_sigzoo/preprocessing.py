"""Preprocessing for a network of any size: every signature as high as the next, as wide as it is."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sigzoo.interfaces import GreyImage, ImageError, Preprocessor, check_grey

WIDTHS = (32, 512)


class StrokeHeight(Preprocessor):
    """The ink's bounding box, `height` pixels high, its width a multiple of 16."""

    output_size = None

    def __init__(self, *, height: int = 48) -> None:
        self.height = height

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        check_grey(image)
        darkest, brightest = int(image.min()), int(image.max())
        if brightest - darkest < 32:
            raise ImageError("the image holds no ink.")
        ink = image < (darkest + brightest) // 2
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        inked = np.where(ink, 255 - image, 0).astype(np.uint8)
        cut = inked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        width = round(cut.shape[1] * self.height / cut.shape[0] / 16) * 16
        size = (min(max(width, WIDTHS[0]), WIDTHS[1]), self.height)
        return {"cut": cut, "resized": np.array(Image.fromarray(cut).resize(size, Image.Resampling.BILINEAR))}
