"""The surface: scanner noise, and what the removal of a background leaves behind."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from sigzoo.learning.augment.crop import random_crop
from sigzoo.learning.augment.image_random import ImageRandom

__all__ = ["noise", "residue"]

_MARGIN = 64


def noise(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Add grain to half of the images, of a deviation up to 6 % of full ink."""
    size = (images.shape[2], images.shape[3])
    grain = random_crop(_grain(size, images.device).expand(len(images), -1, -1, -1), size, rng)
    amount = (rng.uniform(-0.06, 0.06, 1, 1, 1) * strength).clamp(min=0).to(images.device)
    return images + amount * grain


@lru_cache(maxsize=4)
def _grain(size: tuple[int, int], device: torch.device) -> Tensor:
    """One sheet of standard normal noise; images take parts of it, which is far cheaper than drawing."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, 1, size[0] + _MARGIN, size[1] + _MARGIN, generator=generator).to(device)


def residue(images: Tensor, rng: ImageRandom, strength: float = 1.0) -> Tensor:
    """Leave specks, or the rest of a ruled line, on some images (30 % and 10 % at strength 1)."""
    height, width = images.shape[2:]
    coarse = rng.uniform(0.0, 1.0, 1, max(1, height // 6), max(1, width // 6)).to(images.device)
    specks = functional.interpolate((coarse > 0.995).to(images.dtype), size=(height, width), mode="bilinear")
    faint = rng.uniform(0.1, 0.6, 1, 1, 1).to(images.device)
    shown = rng.bernoulli(0.3 * strength).to(images.device)
    spotted = torch.maximum(images, specks * faint * shown)
    return torch.maximum(spotted, _line(images, rng, strength))


def _line(images: Tensor, rng: ImageRandom, strength: float) -> Tensor:
    """A thin, nearly level line over a part of the width, faint and broken."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device).view(1, 1, height, 1)
    columns = torch.arange(width, device=images.device).view(1, 1, 1, width)
    middle = rng.uniform(0.5 * height, height, 1, 1, 1).to(images.device)
    slope = rng.uniform(-0.03, 0.03, 1, 1, 1).to(images.device)
    left = rng.uniform(-0.5 * width, 0.7 * width, 1, 1, 1).to(images.device)
    length = rng.uniform(0.2 * width, width, 1, 1, 1).to(images.device)
    level = rng.uniform(0.1, 0.4, 1, 1, 1).to(images.device)
    gaps = rng.uniform(0.0, 1.0, 1, 1, max(1, width // 4)).to(images.device)
    whole = functional.interpolate((gaps > 0.3).to(images.dtype), size=(1, width), mode="nearest")
    near = (1.0 - (rows - middle - slope * (columns - width / 2)).abs()).clamp(0.0, 1.0)
    inside = (columns >= left) & (columns < left + length)
    return near * inside * whole * level * rng.bernoulli(0.1 * strength).to(images.device)
