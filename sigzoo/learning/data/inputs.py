"""How images of the training data become the network's input, in training and in measuring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigzoo.errors import DataError
from sigzoo.interfaces import Backbone, Size
from sigzoo.learning.augment import centre_crop
from sigzoo.learning.data.in_memory import ImageSet

__all__ = ["InputTransform", "fit_input"]


@dataclass(frozen=True)
class InputTransform:
    """How a batch of images becomes the network's input."""

    crop: Size | None
    """Size that is cut out, at random in training; `None` for the whole image."""
    minimum: Size
    """Least height and width; smaller images get background around them."""
    white: float = 255.0
    """The largest value of a pixel."""

    def pixels(self, data: ImageSet, indices: NDArray[np.int64], device: torch.device) -> Tensor:
        """Whole images on a device: float32 ``(n, 1, H, W)``, 0 to `white`."""
        pixels = torch.from_numpy(data.batch(indices, self.minimum)).to(device).float()
        return pixels if data.white == self.white else pixels / (data.white / self.white)

    def centre(self, data: ImageSet, indices: NDArray[np.int64], device: torch.device) -> Tensor:
        """What the network sees of images outside training: float32 ``(n, 1, h, w)``, 0 to `white`."""
        pixels = self.pixels(data, indices, device)
        return pixels if self.crop is None else centre_crop(pixels, self.crop)


def fit_input(
    data: ImageSet, backbone: Backbone, *, where: str, name: str, one_size: bool, white: float = 255.0
) -> InputTransform:
    """Crop images where they are larger than the network takes, refuse them where they are smaller.

    Parameters
    ----------
    data, backbone
        What is to go together.
    where, name
        What messages call the data and the backbone.
    one_size
        Refuse images of several sizes.
    white
        The largest value of a pixel in this run.

    Raises
    ------
    DataError
        If an image is smaller than the network takes, or images differ that must not.
    """
    size = backbone.input_size
    if size is None:
        return InputTransform(None, backbone.minimum_size, white)
    smallest = data.smallest()
    if smallest[0] < size[0] or smallest[1] < size[1]:
        raise DataError(
            f"{where}: holds training images of {smallest} (h, w), smaller than the {size} that the"
            f" backbone {name!r} takes."
        )
    largest = data.largest()
    if largest == size:
        return InputTransform(None, size, white)
    if one_size and largest != smallest:
        raise DataError(f"{where}: preprocessed images must be of one size, got {smallest} to {largest}.")
    return InputTransform(size, size, white)
