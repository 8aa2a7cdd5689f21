"""sigver's functions and classes: `SigNet`, `preprocess_signature`, `extract_features`, loading of ``.pth``.

An old script runs after its imports have changed::

    # from sigver.featurelearning.models import SigNet         from sigzoo.compat.sigver import (
    # from sigver.preprocessing.normalize import (                 SigNet, load_weights,
    #     preprocess_signature)                                     preprocess_signature)
    # state_dict, _, _ = torch.load("signet.pth")              state_dict, _, _ = load_weights("signet.pth")

Images are 0 ink and 255 paper; what networks take is inverted, ink bright on 0, divided by 255.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import sigzoo
from sigzoo.compat.pixels import TRAINING_SIZE, as_grey, crop_center, normalized, preprocessed
from sigzoo.errors import UsageError
from sigzoo.evaluation.baseline import otsu_threshold
from sigzoo.weights import read_weights

__all__ = [
    "SigNet",
    "SigNet_smaller",
    "SigNet_thin",
    "available_models",
    "crop_center",
    "crop_center_multiple",
    "extract_features",
    "load_weights",
    "normalize_image",
    "preprocess_signature",
    "remove_background",
]


def SigNet() -> nn.Module:  # noqa: N802 - the published program's name
    """A network of SigNet's architecture, untrained: float32 ``(N, 1, 150, 220)`` to ``(N, 2048)``.

    Its state dict has the names of the published files.

    Returns
    -------
    Module
        In training mode; the names in its state dict are those of the published file.
    """
    return sigzoo.backbone("signet")


def SigNet_thin() -> nn.Module:  # noqa: N802
    """The network with fewer channels, untrained: ``(N, 1, 150, 220)`` to ``(N, 1024)``.

    Returns
    -------
    Module
        In training mode.
    """
    return sigzoo.backbone("signet-thin")


def SigNet_smaller() -> nn.Module:  # noqa: N802
    """The network with fewer layers, untrained: ``(N, 1, 150, 220)`` to ``(N, 2048)``.

    Returns
    -------
    Module
        In training mode.
    """
    return sigzoo.backbone("signet-smaller")


available_models: dict[str, Callable[[], nn.Module]] = {
    "signet": SigNet,
    "signet_thin": SigNet_thin,
    "signet_smaller": SigNet_smaller,
}


def load_weights(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """What ``torch.load`` gave of a ``.pth`` of sigver, read without running anything in it.

    Parameters
    ----------
    path
        A ``.pth`` of sigver.

    Returns
    -------
    features, classification layer, forgery layer
        State dicts; the heads' are empty where the file has none.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, hostile or of another kind.
    """
    found = read_weights(path, "torch-tuple")
    return found.tensors, found.heads.get("writer", {}), found.heads.get("forgery", {})


def preprocess_signature(
    img: NDArray[Any],
    canvas_size: Sequence[int],
    img_size: Sequence[int] = TRAINING_SIZE,
    input_size: Sequence[int] | None = (150, 220),
) -> NDArray[np.uint8]:
    """Preprocess a signature as sigver does; ``model.preprocess`` of ``signet.pytorch``.

    Parameters
    ----------
    img
        ``(H, W)``, 0 ink and 255 paper.
    canvas_size, img_size, input_size
        ``(height, width)`` of the canvas, of the resized image (170 x 242), and of the result (`None`: not
        cropped).

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
    return preprocessed("sigver", img, canvas_size, img_size, input_size)


def normalize_image(img: NDArray[Any], canvas_size: Sequence[int] = (840, 1360)) -> NDArray[np.uint8]:
    """Put a signature ``(H, W)`` on a canvas, background removed: uint8 `canvas_size`, 255 is paper.

    Parameters
    ----------
    img
        uint8 ``(H, W)``, dark ink.
    canvas_size
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
    return normalized("sigver", img, canvas_size)


def remove_background(img: NDArray[Any]) -> NDArray[np.uint8]:
    """Set what is above Otsu's threshold to 255: uint8 ``(H, W)``, 0 ink and 255 paper.

    Parameters
    ----------
    img
        uint8 ``(H, W)``, dark ink.

    Returns
    -------
    array
        uint8 ``(H, W)``, 0 ink and 255 paper.
    """
    grey = as_grey(img)
    threshold = otsu_threshold(np.bincount(grey.ravel(), minlength=256).astype(np.float64))
    # An image of one level has no threshold: scikit-image gives that level, so that nothing changes.
    return grey if threshold < 0 else np.where(grey > threshold, np.uint8(255), grey)


def crop_center_multiple(imgs: NDArray[Any], size: Sequence[int]) -> NDArray[Any]:
    """The middle `size` of each image of ``(N, C, H, W)``.

    Parameters
    ----------
    imgs
        ``(N, C, H, W)``.
    size
        Height and width of what is cut out, not above the images'.

    Returns
    -------
    array
        ``(N, C, height, width)``, a view of `imgs`.
    """
    return crop_center(imgs, size)


def extract_features(
    x: NDArray[np.uint8],
    process_function: Callable[[tuple[Tensor, ...]], Tensor],
    batch_size: int,
    input_size: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Run images through a function in batches.

    Parameters
    ----------
    x
        uint8 ``(N, 1, H, W)``.
    process_function
        Called with a tuple of one tensor, a batch; gives ``(n, D)``. With `input_size` the batch is float32,
        cropped and divided by 255; else uint8, as in `x`.
    batch_size
        Images of a batch.
    input_size
        ``(height, width)`` of the middle that is cut out.

    Returns
    -------
    float32 ``(N, D)``

    Raises
    ------
    UsageError
        If there is no image, or `batch_size` is below 1.
    """
    if not len(x) or batch_size < 1:
        raise UsageError(
            f"At least one image and batches of at least one: got {len(x)} and batch_size={batch_size}."
        )
    results = []
    with torch.no_grad():
        for first in range(0, len(x), batch_size):
            part = np.ascontiguousarray(x[first : first + batch_size])
            if input_size is None:
                batch = torch.from_numpy(part)
            else:
                batch = torch.from_numpy(np.ascontiguousarray(crop_center(part, input_size))).float() / 255
            results.append(process_function((batch,)))
    features: NDArray[np.float32] = torch.cat(results).cpu().numpy()
    return features
