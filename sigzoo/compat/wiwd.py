"""sigver_wiwd's functions and classes: `CNNModel`, the three networks, `preprocess_signature`, ...

An old script runs after its imports have changed::

    # import signet                                            from sigzoo.compat.wiwd import (
    # from cnn_model import CNNModel                               CNNModel, preprocess_signature, signet)
    # from preprocess.normalize import preprocess_signature

Images are 0 ink and 255 paper; what networks take is inverted, ink bright on 0, levels 0 to 255.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import sigzoo
from sigzoo.compat.pixels import TRAINING_SIZE, as_grey, cover_shape, crop_center, normalized, preprocessed
from sigzoo.errors import UsageError

__all__ = [
    "Architecture",
    "CNNModel",
    "crop_center",
    "normalize_image",
    "preprocess_signature",
    "remove_background",
    "resize_image",
    "signet",
    "signet_spp_300dpi",
    "signet_spp_600dpi",
]

_AT_ONCE = 32
"""Images that go through the network together: thousands do not fit into memory."""


@dataclass(frozen=True)
class Architecture:
    """What stands for a module of the published program that builds a network."""

    model: str
    """The model in sigzoo whose network and weight format it is."""


signet = Architecture("signet")
signet_spp_300dpi = Architecture("signet-spp-300dpi")
signet_spp_600dpi = Architecture("signet-spp-600dpi")


class CNNModel:
    """A published network with its weights.

    Attributes
    ----------
    model
        The `sigzoo.SignatureModel` behind it.
    img_size, input_size
        ``(height, width)`` of images before the crop, and of what the network takes; `None` for networks
        that take any size.
    """

    def __init__(self, model_factory: Architecture, model_weight_path: str | os.PathLike[str]) -> None:
        """Read the weights of a network.

        Parameters
        ----------
        model_factory
            `signet`, `signet_spp_300dpi` or `signet_spp_600dpi`.
        model_weight_path
            A ``.pkl`` of sigver_wiwd (nothing in it is run), or the ``.zip`` that holds it.

        Raises
        ------
        UsageError
            If `model_factory` is none of the three.
        WeightsError
            If the file is missing, damaged, hostile, or of another network.
        """
        if not isinstance(model_factory, Architecture):
            raise UsageError(
                f"model_factory must be signet, signet_spp_300dpi or signet_spp_600dpi of {__name__}, got"
                f" {model_factory!r}."
            )
        self.model = sigzoo.load(model_factory.model, weights=model_weight_path)
        self.input_size = self.model.backbone.input_size
        self.img_size = None if self.input_size is None else TRAINING_SIZE

    def get_feature_vector(self, image: NDArray[Any], layer: str = "fc2") -> NDArray[np.float32]:
        """Features of one preprocessed image.

        Parameters
        ----------
        image
            ``(H, W)``, ink bright on 0, levels 0 to 255.
        layer
            ``conv1`` ... ``pool5``, ``fc1``, ``fc2``.

        Returns
        -------
        float32 ``(1, D)``, for inner layers ``(1, channels, h, w)``

        Raises
        ------
        UsageError
            If the image has another number of dimensions.
        UnknownNameError
            If there is no such layer.
        """
        if np.ndim(image) != 2:
            raise UsageError(f"Input should have two dimensions, H x W; got shape {np.shape(image)}.")
        return self.get_feature_vector_multiple(np.asarray(image)[np.newaxis], layer)

    def get_feature_vector_multiple(
        self, images: NDArray[Any] | Sequence[NDArray[Any]], layer: str = "fc2"
    ) -> NDArray[np.float32]:
        """Features of preprocessed images of one size, ``(N, H, W)``: float32 ``(N, D)``; see above.

        Parameters
        ----------
        images
            uint8 or float ``(N, H, W)``, preprocessed, all of one size.
        layer
            ``"fc2"`` by default, as in `get_feature_vector`.

        Returns
        -------
        array
            float32 ``(N, D)``.

        Raises
        ------
        UsageError
            If the images have another number of dimensions, or there is none.
        UnknownNameError
            If there is no such layer.
        """
        batch = np.asarray(images)
        if batch.ndim != 3 or not len(batch):
            raise UsageError(f"Input should have three dimensions, N x H x W; got shape {batch.shape}.")
        self.model.backbone.check_layers([layer])
        parts = []
        with torch.inference_mode():
            for first in range(0, len(batch), _AT_ONCE):
                pixels = torch.from_numpy(batch[first : first + _AT_ONCE, np.newaxis].astype(np.float32))
                output = self.model.backbone.forward_layers(pixels.to(self.model.device), [layer])[layer]
                parts.append(output.float().cpu().numpy())
        return np.concatenate(parts)


def preprocess_signature(
    img: NDArray[Any],
    canvas_size: Sequence[int],
    img_size: Sequence[int] = TRAINING_SIZE,
    input_size: Sequence[int] = (150, 220),
) -> NDArray[np.uint8]:
    """Preprocess a signature, as sigver_wiwd does under Python 3; model.preprocess of ``signet``.

    Parameters
    ----------
    img
        ``(H, W)``, 0 ink and 255 paper.
    canvas_size, img_size, input_size
        ``(height, width)`` of the canvas, of the resized image (170 x 242), and of the result.

    Returns
    -------
    uint8 `input_size`, ink bright on 0

    Raises
    ------
    UsageError
        If a size is not possible.
    ImageError
        If the image holds no ink.
    """
    return preprocessed("signet-2017", img, canvas_size, img_size, input_size)


def normalize_image(img: NDArray[Any], size: Sequence[int] = (840, 1360)) -> NDArray[np.uint8]:
    """Put a signature ``(H, W)`` on a canvas, background removed: uint8 `size`, 0 ink and 255 paper.

    Parameters
    ----------
    img
        uint8 ``(H, W)``, dark ink.
    size
        Height and width of the canvas.

    Returns
    -------
    array
        uint8 of that size.

    Raises
    ------
    ImageError
        If the image holds no ink.
    """
    return normalized("signet-2017", img, size)


def remove_background(img: NDArray[Any]) -> NDArray[np.uint8]:
    """Set what is above Otsu's threshold to 255: uint8 ``(H, W)``, 0 ink and 255 paper.

    Parameters
    ----------
    img
        uint8 ``(H, W)``, dark ink.

    Returns
    -------
    array
        uint8 ``(H, W)``.

    Raises
    ------
    ImageError
        If the image holds no ink.
    """
    result: NDArray[np.uint8] = 255 - sigzoo.preprocessor("spp-2018")(as_grey(img))
    return result


def resize_image(
    image: NDArray[Any], new_size: Sequence[int], interpolation: str = "bilinear"
) -> NDArray[np.uint8]:
    """Scale an image to cover `new_size` and cut its middle, as scipy's `imresize` did it.

    Parameters
    ----------
    image
        ``(H, W)``; its levels are stretched to 0 to 255 first, as `imresize` stretches floats.
    new_size
        ``(height, width)``.
    interpolation
        ``"nearest"``, ``"lanczos"``, ``"bilinear"``, ``"bicubic"`` or ``"cubic"``.

    Returns
    -------
    uint8 `new_size`

    Raises
    ------
    UsageError
        If there is no such interpolation.
    """
    filters = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}
    if interpolation not in filters:
        raise UsageError(f"interpolation is one of {', '.join(filters)}; got {interpolation!r}.")
    levels = np.asarray(image).astype(np.float32).astype(np.float64)
    low, span = levels.min(), np.ptp(levels)
    scaled = (levels - low) * (255.0 / span if span else 1.0)
    shape, (top, left) = cover_shape(levels.shape, new_size)
    page = Image.fromarray((scaled.clip(0, 255) + 0.5).astype(np.uint8))
    resized = np.asarray(page.resize((shape[1], shape[0]), Image.Resampling(filters[interpolation])))
    return resized[top : top + new_size[0], left : left + new_size[1]]
