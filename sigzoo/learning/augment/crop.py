"""Cropping: at a random place for training, in the centre for everything else."""

from __future__ import annotations

import torch
from torch import Tensor

from sigzoo.interfaces import Size
from sigzoo.learning.augment.image_random import ImageRandom

__all__ = ["centre_crop", "random_crop"]


def random_crop(images: Tensor, size: Size, rng: ImageRandom) -> Tensor:
    """Cut a part of `size` out of each image, at a place of its own: ``(N, 1, H, W)`` to ``(N, 1, h, w)``."""
    height, width = size
    top = rng.integers(images.shape[2] - height + 1).to(images.device)
    left = rng.integers(images.shape[3] - width + 1).to(images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    number = torch.arange(len(images), device=images.device)
    cut: Tensor = images[:, 0][number[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut[:, None]


def centre_crop(images: Tensor, size: Size) -> Tensor:
    """Cut the centre out of each image: ``(N, 1, H, W)`` to ``(N, 1, h, w)``; odd rests lie behind."""
    top, left = (images.shape[2] - size[0]) // 2, (images.shape[3] - size[1]) // 2
    return images[:, :, top : top + size[0], left : left + size[1]]
