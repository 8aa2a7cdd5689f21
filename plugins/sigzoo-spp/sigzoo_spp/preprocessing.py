"""The published preprocessing of SigNet-SPP: background removed, the size kept."""

from __future__ import annotations

import numpy as np
from sigzoo_signet.canvas import (
    MAX_CANVAS_PIXELS,
    Canvas,
    parse_canvas,
    require_ink,
    without_background,
)
from sigzoo_signet.otsu import otsu_opencv

from sigzoo.imaging import grey_histogram
from sigzoo.interfaces import GreyImage, ImageError, Preprocessor, Size, check_grey

__all__ = ["SPP2018"]


class SPP2018(Preprocessor):
    """Preprocessing of SigNet-SPP (sigver_wiwd), pixel for pixel.

    Pixels above Otsu's threshold become background, the result is inverted, its size is the
    image's own. The network expects the raw levels 0 .. 255.

    Parameters
    ----------
    canvas
        None, ``(height, width)``, or the name of a data set: ``"gpds"`` (952 x 1360), ``"mcyt"``
        (600 x 850), ``"cedar"`` (730 x 1042), ``"brazilian"`` (700 x 1000). A smaller image is
        padded with background on both sides to it (in the axis where it is smaller; an odd pixel
        goes below and to the right), a larger one is left as it is. The publication found that
        better than small images at their own size; 476 x 680 for the 300 dpi models, 952 x 1360
        for those of 600 dpi.

    Raises
    ------
    UsageError
        If the canvas is not two whole numbers of at least 1, or its name is unknown, or it has
        more than 200 million pixels.

    References
    ----------
    Hafemann, Oliveira, Sabourin, Fixed-sized representation learning from Offline Handwritten
    Signatures of different sizes, IJDAR 2018. doi 10.1007/s10032-018-0301-6
    """

    output_size: Size | None = None
    input_scale = 1.0

    def __init__(self, *, canvas: Canvas | None = None) -> None:
        self.canvas = None if canvas is None else parse_canvas(canvas)

    def __call__(self, image: GreyImage) -> GreyImage:
        """Preprocess one image: uint8 ``(H, W)`` in, uint8 ``(h, w)`` out, ink bright on 0.

        Raises
        ------
        ImageError
            If the image is no grey image or holds no ink, or would be padded to more than 200
            million pixels.
        """
        return self._padded(_without_background(check_grey(image)))

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Run the steps one by one.

        Parameters
        ----------
        image
            uint8 ``(H, W)``, 0 ink and 255 paper.

        Returns
        -------
        dict
            ``original`` ``(H, W)``, as given; ``background removed``, bright ink on 0; with a
            canvas also ``padded``.

        Raises
        ------
        ImageError
            If the image is no grey image or holds no ink, or would be padded to more than 200
            million pixels.
        """
        cleaned = _without_background(check_grey(image))
        steps = {"original": image.copy(), "background removed": cleaned}
        if self.canvas is not None:
            steps["padded"] = self._padded(cleaned)
        return steps

    def _padded(self, cleaned: GreyImage) -> GreyImage:
        if self.canvas is None:
            return cleaned
        missing = [max(0, side - length) for side, length in zip(self.canvas, cleaned.shape, strict=True)]
        if not any(missing):
            return cleaned
        height, width = (max(pair) for pair in zip(self.canvas, cleaned.shape, strict=True))
        if height * width > MAX_CANVAS_PIXELS:
            raise ImageError(
                f"the image of {cleaned.shape[0]} x {cleaned.shape[1]} pixels, padded to the canvas of"
                f" {self.canvas[0]} x {self.canvas[1]}, would be {height} x {width}: more than"
                f" {MAX_CANVAS_PIXELS / 1e6:.0f} million pixels. Give a smaller canvas."
            )
        return np.pad(cleaned, [(gap // 2, gap - gap // 2) for gap in missing])


def _without_background(image: GreyImage) -> GreyImage:
    require_ink(image)
    return without_background(image, otsu_opencv(grey_histogram(image)))
