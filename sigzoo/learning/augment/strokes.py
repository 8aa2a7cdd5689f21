"""Strokes: their width, the ink that they are of, and images of two levels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sigzoo.learning.augment.image_random import ImageRandom

__all__ = ["binarise", "ink", "width"]


def width(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Make strokes wider (dilation) or thinner (erosion), by up to a pixel on either side.

    Between an image and its dilation or erosion over 3 x 3 pixels values are mixed, so that any
    width between is reached.
    """
    amount = rng.uniform(-1.0, 1.0, 1, 1, 1).to(images.device) * min(strength, 1.0)
    wide = functional.max_pool2d(images, 3, stride=1, padding=1)
    thin = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    # A thin stroke would vanish under a whole erosion.
    return images + amount.clamp(min=0) * (wide - images) - 0.6 * (-amount).clamp(min=0) * (images - thin)


def ink(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Make the ink darker or fainter, and let it fade and recover along the signature."""
    bend = torch.exp(strength * 0.35 * rng.normal(1, 1, 1)).to(images.device)
    places = rng.uniform(0.0, 1.0, 1, 3, 6).to(images.device)
    size = (images.shape[2], images.shape[3])
    fading = functional.interpolate(places, size=size, mode="bilinear", align_corners=True)
    depth = rng.uniform(0.0, 0.5, 1, 1, 1).to(images.device) * min(strength, 1.0)
    # The power's slope at 0 is infinite below 1: paper of grey level 1 must not turn to ink.
    bent = torch.where(images > 0.02, images.clamp(0.02, 1.0) ** bend, images)
    return bent * (1.0 - depth * fading)


def binarise(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Reduce some images (15 % at strength 1) to two levels, at a threshold of their own."""
    threshold = rng.uniform(0.25, 0.6, 1, 1, 1).to(images.device)
    peak = images.amax(dim=(1, 2, 3), keepdim=True)
    levels = ((images > threshold * peak) & (peak > 0)).to(images.dtype)
    return torch.where(rng.bernoulli(0.15 * strength).to(images.device), levels, images)
