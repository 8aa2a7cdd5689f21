"""The steps of augmentation by name, and all of them in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from sigzoo.learning.augment.geometry import affine, elastic
from sigzoo.learning.augment.image_random import ImageRandom
from sigzoo.learning.augment.strokes import binarise, ink, width
from sigzoo.learning.augment.surface import noise, residue

__all__ = ["STEPS", "Step", "augment"]

Step = Callable[[Tensor, ImageRandom, float], Tensor]
"""Takes images float32 ``(N, 1, h, w)``, 0 to 1, ink bright on 0; their random numbers; a strength."""

STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "affine": affine,
        "elastic": elastic,
        "width": width,
        "ink": ink,
        "binarise": binarise,
        "noise": noise,
        "residue": residue,
    }
)
"""Every step by name, in the order of application."""


@torch.no_grad()
def augment(images: Tensor, rng: ImageRandom, steps: Collection[str], strength: float = 1.0) -> Tensor:
    """Apply some steps, in the order of `STEPS`.

    Parameters
    ----------
    images
        float32 ``(N, 1, h, w)``, 0 to 1, ink bright on 0; not written into.
    rng
        Random numbers of the same N images.
    steps
        Names out of `STEPS`.
    strength
        Factor on the extent of every step; 0 changes nothing.

    Returns
    -------
    tensor
        float32 ``(N, 1, h, w)``, 0 to 1.
    """
    if strength == 0:
        return images
    for name, step in STEPS.items():
        if name in steps:
            images = step(images, rng.spawn(name), strength).clamp(0.0, 1.0)
    return images
