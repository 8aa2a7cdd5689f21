"""Oriented gradients: how steep a picture is, and in which of a few directions."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["directed", "gaussian_slopes"]


def gaussian_slopes(deviation: float, reach: int) -> Tensor:
    """Derivatives across and down of a Gaussian, ``(2, 1, 2 * reach + 1, 2 * reach + 1)``."""
    places = torch.arange(-reach, reach + 1).float()
    smooth = torch.exp(-0.5 * (places / deviation) ** 2)
    smooth = smooth / smooth.sum()
    steep = -places / deviation**2 * smooth
    return torch.stack([torch.outer(smooth, steep), torch.outer(steep, smooth)])[:, None]


def directed(across: Tensor, down: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Strength of gradients, and what each direction has of it.

    Parameters
    ----------
    across, down
        The gradients, ``(N, h, w)``.
    bins
        Directions, of half a turn: the two sides of a stroke count alike. A gradient is shared by the two
        nearest.

    Returns
    -------
    strength, directed
        ``(N, h, w)`` and ``(N, bins, h, w)``.
    """
    strength = torch.sqrt(across * across + down * down + 1e-18)
    across = torch.where((across == 0) & (down == 0), torch.ones_like(across), across)
    place = torch.remainder(torch.atan2(down, across), torch.pi) * (bins / torch.pi)
    centres = torch.arange(bins, dtype=place.dtype, device=place.device)
    off = (place[:, None] - centres[:, None, None]).abs()
    return strength, strength[:, None] * (1.0 - torch.minimum(off, bins - off)).clamp(min=0.0)
