"""The preprocessing of AsmitKT/Signature-Forgery-Detection: black ink on a white square of 256 x 256."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import GreyImage, ImageError, Preprocessor, check_grey
from sigzoo_community.opencv import (
    adaptive_gaussian_threshold,
    gaussian_blur,
    median_blur,
    resize_area,
    resize_cubic,
)

__all__ = ["AsmitktPreprocessor"]

_ROWS, _COLUMNS = 3, 4
"""Parts into which the page is cut for the first look at where the ink is."""
_LIGHTER = 26
"""Grey levels above the median of the ink that still count as ink."""
_SIDE = 256


class AsmitktPreprocessor(Preprocessor):
    """As the program's ``detection.py`` prepares an image (its functions in brackets).

    1. An adaptive threshold in each of 3 x 4 parts of the page tells what may be ink
       (``binarize_image``). Ink is what is no brighter than its median plus 26 (``refine_signature``).
    2. A blur of 5 x 5 pixels, cut at one half, removes single dots (``smooth_final``).
    3. A square around the ink, as far as the page goes (``crop_signature_rotated``).
    4. If that is higher than wide it is turned by a quarter, clockwise; it is resized until it fits into
       256 x 256, by area or cubic, and laid in the middle of white (``resize_signature``).

    The program's result is dark on white. Here it is inverted, as every result of a preprocessor; the
    network turns it back.
    """

    output_size = (_SIDE, _SIDE)
    input_scale = 1.0

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Run the steps.

        Parameters
        ----------
        image
            uint8 ``(H, W)``, 0 ink and 255 paper.

        Returns
        -------
        dict
            ``binary`` and ``smoothed`` ``(H, W)``, ``cropped``, and ``placed`` ``(256, 256)``, the
            result; ink bright on 0.

        Raises
        ------
        ImageError
            If the image is no grey image, holds no ink, or is too small or too long for the program.
        """
        check_grey(image)
        if image.shape[0] < _ROWS or image.shape[1] < _COLUMNS:
            raise ImageError(f"an image of {image.shape} pixels is too small: at least 3 x 4 are needed.")
        binary = self._binary(image)
        smoothed = np.where(gaussian_blur(binary, 5) > 127, np.uint8(255), np.uint8(0))
        cropped = self._cropped(smoothed)
        steps = {"binary": binary, "smoothed": smoothed, "cropped": cropped, "placed": self._placed(cropped)}
        return {name: 255 - step for name, step in steps.items()}

    def _binary(self, image: GreyImage) -> GreyImage:
        """0 where there is ink, else 255."""
        levels = image[self._darker_than_around(image)]
        threshold = min(float(np.median(levels)) + _LIGHTER, 255.0) if levels.size else 127.0
        return np.where(image > threshold, np.uint8(255), np.uint8(0))

    @staticmethod
    def _darker_than_around(image: GreyImage) -> NDArray[np.bool_]:
        """Where a pixel is darker than its surroundings; each part of the page by itself."""
        height, width = image.shape
        down, across = height // _ROWS, width // _COLUMNS
        tops = [*range(0, _ROWS * down, down), height]
        lefts = [*range(0, _COLUMNS * across, across), width]
        tops[_ROWS], lefts[_COLUMNS] = height, width
        dark = np.zeros(image.shape, bool)
        for row in range(_ROWS):
            for column in range(_COLUMNS):
                part = np.s_[tops[row] : tops[row + 1], lefts[column] : lefts[column + 1]]
                smooth = gaussian_blur(median_blur(image[part]), 3)
                dark[part] = ~adaptive_gaussian_threshold(smooth, 11, 2)
        return dark

    @staticmethod
    def _cropped(binary: GreyImage) -> GreyImage:
        """The square around the ink, cut off where the page ends."""
        ink = binary == 0
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        if not len(rows):
            raise ImageError("the image holds no ink.")
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        side = max(height, width)
        shape = min(side, binary.shape[0]), min(side, binary.shape[1])
        middle = rows[0] + height / 2, columns[0] + width / 2
        top, left = (
            max(0, min(round(float(centre - length / 2)), whole - length))
            for centre, length, whole in zip(middle, shape, binary.shape, strict=True)
        )
        return binary[top : top + shape[0], left : left + shape[1]]

    @staticmethod
    def _placed(cropped: GreyImage) -> GreyImage:
        """Turned to lie, resized to fit, in the middle of white."""
        if cropped.shape[0] > cropped.shape[1]:
            cropped = np.rot90(cropped, -1)
        scale = min(_SIDE / cropped.shape[1], _SIDE / cropped.shape[0])
        size = round(cropped.shape[0] * scale), round(cropped.shape[1] * scale)
        if not size[0]:
            raise ImageError(f"a strip of {cropped.shape} pixels leaves nothing at a width of {_SIDE}.")
        resized = resize_area(cropped, size) if scale < 1 else resize_cubic(cropped, size)
        canvas = np.full((_SIDE, _SIDE), 255, np.uint8)
        top, left = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
        canvas[top : top + size[0], left : left + size[1]] = resized
        return canvas
