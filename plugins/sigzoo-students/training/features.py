"""What a network makes of preprocessed images, some of them at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sigzoo.interfaces import Backbone

__all__ = ["embed", "learnt"]


def embed(model: Backbone, canvases: np.ndarray) -> np.ndarray:
    """Features of preprocessed images, uint8 ``(N, h, w)`` to float32 ``(N, D)``."""
    return _in_parts(model.eval(), canvases, model).numpy()


def learnt(model: Backbone, canvases: np.ndarray) -> np.ndarray:
    """Features without strokes' directions and ink, uint8 ``(N, h, w)`` to float32 ``(N, D)``."""
    network, layer = model.eval(), ["embedding"]
    return _in_parts(lambda x: network.forward_layers(x, layer)["embedding"], canvases, model).numpy()


def _in_parts(compute: Callable[[Tensor], Tensor], canvases: np.ndarray, where: torch.nn.Module) -> Tensor:
    """Float32 ``(N, D)``, on the CPU, of what is computed on the device of a module."""
    device = next(iter(where.state_dict().values())).device
    with torch.inference_mode():
        parts = torch.from_numpy(canvases)[:, None].split(128)
        return torch.cat([compute(part.to(device).float() / 255.0).float().cpu() for part in parts])
