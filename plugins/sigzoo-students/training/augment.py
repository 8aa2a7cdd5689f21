"""Augmentation of preprocessed signatures, a batch at a time, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name)

__all__ = ["augment"]


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Distort each image in its own way: place, proportions, bending, stroke width, ink, residue.

    Parameters
    ----------
    images
        float32 ``(N, 1, h, w)``, 0 to 1, ink bright.
    generator
        CPU generator that all randomness comes from, so that results do not depend on the device.

    Returns
    -------
    float32 ``(N, 1, h, w)``
        New images.
    """
    warped = F.grid_sample(images, _grid(images, generator), align_corners=False)
    return _spoil(_rewidth(warped, generator), generator).clamp_(0.0, 1.0)


def _uniform(images: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(len(images), 1, 1, 1, generator=generator) * (high - low) + low
    return drawn.to(images.device)


def _grid(images: Tensor, generator: torch.Generator) -> Tensor:
    """Sampling positions: an affine map and a smooth bending."""
    count, _, height, width = images.shape
    normal = torch.randn(count, 6, generator=generator)
    scale = torch.exp(0.05 * normal[:, 0] + 0.02)
    wide = torch.exp(0.05 * normal[:, 1])
    turn, shear = 0.05 * normal[:, 2], 0.06 * normal[:, 3]
    ratio = height / width
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * wide, (shear - turn) * ratio
    theta[:, 1, 0], theta[:, 1, 1] = turn / ratio, scale / wide
    theta[:, 0, 2], theta[:, 1, 2] = 0.03 * normal[:, 4], 0.04 * normal[:, 5]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    knots = torch.randn(count, 2, 3, 6, generator=generator) * torch.tensor([0.02, 0.035]).view(1, 2, 1, 1)
    bend = F.interpolate(knots, size=(height // 4, width // 4), mode="bicubic", align_corners=True)
    bend = F.interpolate(bend, size=(height, width), mode="bilinear", align_corners=True)
    return (grid + bend.permute(0, 2, 3, 1)).to(images.device)


def _rewidth(images: Tensor, generator: torch.Generator) -> Tensor:
    """Thicken or thin the strokes, smoothly, seldom by a whole pixel."""
    left, right = images.roll(1, 3), images.roll(-1, 3)
    thin = torch.minimum(torch.minimum(left, right), images)
    thick = torch.maximum(torch.maximum(left, right), images)
    thick = torch.maximum(torch.maximum(thick.roll(1, 2), thick.roll(-1, 2)), thick)
    drawn = 0.4 * torch.randn(len(images), 1, 1, 1, generator=generator)
    amount = drawn.clamp_(-1.0, 1.0).to(images.device)
    out = images + amount.clamp(min=0) * (thick - images)
    out = out - (-amount).clamp(min=0) * 0.6 * (images - thin)
    blur = _uniform(images, -0.6, 0.8, generator).clamp(min=0)
    soft = 0.5 * out + 0.25 * (out.roll(1, 3) + out.roll(-1, 3))
    soft = 0.5 * soft + 0.25 * (soft.roll(1, 2) + soft.roll(-1, 2))
    return out + blur * (soft - out)


def _spoil(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast, add grain, specks and a smear, and take small parts away."""
    contrast = _uniform(images, -0.7, 0.7, generator)
    out = images + contrast * images * (1.0 - images)
    bank = torch.randn(16, *images.shape[1:], generator=generator)
    noise = bank[torch.randint(16, (len(images),), generator=generator)].to(images.device)
    out = out + noise * _uniform(images, -0.04, 0.06, generator).clamp(min=0)
    coarse = torch.rand(len(images), 1, images.shape[2] // 6, images.shape[3] // 6, generator=generator)
    hidden = F.interpolate((coarse < 0.012).float(), size=images.shape[2:], mode="nearest").to(images.device)
    smear = (_uniform(images, -1.0, 0.25, generator)).clamp(min=0)
    out = out * (1.0 - hidden * (_uniform(images, 0, 1, generator) < 0.5))
    speck = F.interpolate((coarse > 0.996).float(), size=images.shape[2:], mode="bilinear").to(images.device)
    return out + smear * speck
