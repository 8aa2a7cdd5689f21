"""The two published preprocessings of SigNet: of 2017 (Lasagne weights) and of sigver (PyTorch)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from sigzoo.imaging import grey_histogram
from sigzoo.interfaces import GreyImage, ImageError, Preprocessor, Size, UsageError, check_grey
from sigzoo_signet.canvas import (
    Canvas,
    Placed,
    parse_canvas,
    parse_size,
    place,
    require_ink,
    warn_if_blank,
)
from sigzoo_signet.otsu import otsu_opencv, otsu_skimage
from sigzoo_signet.pillow_resize import PillowResize
from sigzoo_signet.resizing import TRAINING_SIZE, cover
from sigzoo_signet.skimage_resize import SkimageResize
from sigzoo_signet.smoothing import smoothed_at_most, truncating_smooth

__all__ = ["SigNet2017", "Sigver"]

_NETWORK_SIZE: Size = (150, 220)


class _CanvasPreprocessor(Preprocessor):
    """What both have in common: a canvas, 170 x 242, and its centre.

    Parameters
    ----------
    canvas
        ``(height, width)``, or the name of a data set: ``"gpds"`` (952 x 1360), ``"mcyt"``
        (600 x 850), ``"cedar"`` (730 x 1042), ``"brazilian"`` (700 x 1000). The published
        weights were trained on the first.
    size
        ``(height, width)`` of the result, the centre of 170 x 242: (150, 220) for the networks;
        (170, 242), or None, for training with random crops.

    Raises
    ------
    UsageError
        If the canvas or the size is not two whole numbers of at least 1, or a canvas's name is
        unknown, or the canvas has more than 200 million pixels, or the size is larger than
        170 x 242.
    """

    output_size: Size
    _resizing: ClassVar[type[PillowResize] | type[SkimageResize]]

    def __init__(self, *, canvas: Canvas = "gpds", size: Sequence[int] | None = _NETWORK_SIZE) -> None:
        self.canvas = parse_canvas(canvas)
        self.output_size = TRAINING_SIZE if size is None else parse_size(size, "size")
        if self.output_size[0] > TRAINING_SIZE[0] or self.output_size[1] > TRAINING_SIZE[1]:
            raise UsageError(f"size {self.output_size} is larger than {TRAINING_SIZE}, which it is cut from.")
        (top, left), (height, width) = cover(self.canvas).start, self.output_size
        self._margin = (TRAINING_SIZE[0] - height) // 2, (TRAINING_SIZE[1] - width) // 2
        start = top + self._margin[0], left + self._margin[1]
        self._resize = self._resizing(self.canvas, start, self.output_size)

    def __call__(self, image: GreyImage) -> GreyImage:
        """Preprocess one image: uint8 ``(H, W)`` in, uint8 `output_size` out, ink bright on 0.

        Raises
        ------
        ImageError
            If the image is no grey image or holds no ink.
        """
        result = self._resize(self._placed(check_grey(image)))
        warn_if_blank(result)
        return result

    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Run the steps as the published notebook shows them.

        Parameters
        ----------
        image
            uint8 ``(H, W)``, 0 ink and 255 paper.

        Returns
        -------
        dict
            ``original`` ``(H, W)``, as given; ``centred``: background removed, on the canvas;
            ``resized`` ``(170, 242)``; ``cropped``, the result. All but the first have bright ink on 0.

        Raises
        ------
        ImageError
            If the image is no grey image or holds no ink.
        """
        placed = self._placed(check_grey(image))
        resized = self._resizing(self.canvas, cover(self.canvas).start, TRAINING_SIZE)(placed)
        (top, left), (height, width) = self._margin, self.output_size
        cropped = resized[top : top + height, left : left + width].copy()
        warn_if_blank(cropped)
        return {"original": image.copy(), "centred": placed.picture(), "resized": resized, "cropped": cropped}

    @abstractmethod
    def _placed(self, image: GreyImage) -> Placed:
        """Remove the background and put the signature on the canvas."""


class SigNet2017(_CanvasPreprocessor):
    """Preprocessing of the Lasagne weights (sigver_wiwd under Python 3), pixel for pixel.

    The threshold is Otsu's of the smoothed image; grey levels are stretched to 0 .. 255 before
    Pillow's bilinear resizing. The network expects the raw levels 0 .. 255.

    A signature in a single row or column gives a blank image, as published, and a `SigzooWarning`.
    """

    input_scale = 1.0

    _resizing = PillowResize

    def _placed(self, image: GreyImage) -> Placed:
        require_ink(image)
        smoothed = truncating_smooth(image)
        threshold = otsu_opencv(grey_histogram(smoothed))
        ink = smoothed <= threshold
        if not ink.any():
            raise ImageError("the image holds no ink: it is of one grey level once smoothed.")
        return place(image, ink, threshold, self.canvas)


class Sigver(_CanvasPreprocessor):
    """Preprocessing of the PyTorch weights (sigver), pixel for pixel as scikit-image computes it.

    The threshold is Otsu's of the image itself; resizing smooths and interpolates in floating
    point. The network expects the levels divided by 255.

    Images of two levels (binarised scans) all go a way of our own: ink is every pixel at or below
    halfway between the levels, as it is, unsmoothed. Otsu's threshold is the darker level there,
    which a smoothed pixel reaches at best where all within 8 pixels is ink. sigver fails on
    an image without such a place; on one with it, the box is that of the thickest blobs and cuts
    the strokes off, so that its result is not followed either: one rule for all binarised scans.

    The same holds for images of more levels wherever no smoothed pixel is at or below Otsu's
    threshold, which is where sigver fails on them; halfway is then between the mean of the ink
    and the mean of the paper. In both cases the box leaves out its last row and column, as
    published. A signature in a single row or column gives a blank image, as published, and a
    `SigzooWarning`; on our own way, an `ImageError`.
    """

    input_scale = 1 / 255

    _resizing = SkimageResize

    def _placed(self, image: GreyImage) -> Placed:
        require_ink(image)
        counts = grey_histogram(image)
        threshold, halfway = otsu_skimage(counts)
        if (counts > 0).sum() > 2:
            ink = smoothed_at_most(image, threshold)
            if ink.any():
                return place(image, ink, threshold, self.canvas)
        placed = place(image, image <= halfway, halfway, self.canvas)
        if not placed.ink.any():
            raise ImageError(
                "the image holds no ink but in a single row or column of pixels; that is no signature."
            )
        return placed
