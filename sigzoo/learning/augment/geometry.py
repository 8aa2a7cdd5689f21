"""Geometry: affine maps and elastic bending."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sigzoo.learning.augment.image_random import ImageRandom

__all__ = ["affine", "elastic"]

_KNOTS = (4, 7)


def affine(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Scale, stretch, turn, slant and shift each image a little.

    At strength 1 the deviations are 4 % of size and proportions, 2.3 degrees of rotation, 0.06 of
    slant, and 1.5 % of the width and height.
    """
    count, _, height, width = images.shape
    normal = strength * rng.normal(6).clamp(-2.5, 2.5)
    scale, wide = torch.exp(0.04 * normal[:, 0]), torch.exp(0.04 * normal[:, 1])
    turn, shear = 0.04 * normal[:, 2], 0.06 * normal[:, 3]
    ratio = height / width
    theta = torch.zeros(count, 2, 3, device=normal.device)
    theta[:, 0, 0], theta[:, 0, 1] = scale * wide, (shear - turn) * ratio
    theta[:, 1, 0], theta[:, 1, 1] = turn / ratio, scale / wide
    theta[:, :, 2] = 0.03 * normal[:, 4:]
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid.to(images.device), align_corners=False)


def elastic(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Bend each image smoothly; displacements deviate by about 1 % of the width and 1.5 % of the height.

    After Simard, Steinkraus, Platt, Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis, ICDAR 2003, with bicubic interpolation between a few knots in place of
    a Gaussian filter.
    """
    count, _, height, width = images.shape
    extent = torch.tensor([0.02, 0.03], device=images.device).view(1, 2, 1, 1)
    knots = strength * extent * rng.normal(2, *_KNOTS).to(images.device)
    bend = functional.interpolate(knots, size=(height, width), mode="bicubic", align_corners=True)
    still = torch.eye(2, 3, device=images.device).expand(count, 2, 3)
    grid = functional.affine_grid(still, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid + bend.permute(0, 2, 3, 1), align_corners=False)
