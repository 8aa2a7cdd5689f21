"""How a run begins: weights to go on from, what is taken from the data, and where classes are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigzoo.errors import UsageError
from sigzoo.interfaces import Backbone, Loss
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.settings.training_settings import TrainingSettings
from sigzoo.weights import load_into, read_weights

__all__ = ["calibrate", "drawing_seed", "load_start", "place_classes"]

_EVERY = 16
"""One image of this many is shown to what takes its numbers from the data."""


def load_start(backbone: Backbone, settings: TrainingSettings) -> str | None:
    """Begin with the weights that the settings name; their SHA-256.

    Raises
    ------
    WeightsError
        If they cannot be read, or are not those of the backbone; names the file.
    """
    if settings.start is None:
        return None
    path = Path(settings.start).expanduser()
    tensors = dict(read_weights(path, "safetensors").tensors)
    kept = {
        name: each for name, each in backbone.state_dict().items() if name.startswith(settings.start_except)
    }
    load_into(backbone, {**tensors, **kept} if settings.start_except else tensors, source=str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def drawing_seed(settings: TrainingSettings, start: str | None) -> int:
    """Of batches and augmentation; another one for other weights to go on from, lest the same come again."""
    return settings.seed if start is None else settings.seed + int(start[:8], 16)


def calibrate(
    network: TrainedNetwork, data: ImageSet, indices: NDArray[np.int64], transform: InputTransform, size: int
) -> None:
    """Let the backbone take what does not learn from some of the training images."""
    if type(network.backbone).calibrate is Backbone.calibrate:
        return
    device = next(iter(network.parameters())).device
    with torch.no_grad():
        network.backbone.calibrate(
            pixels * network.factor for pixels in _images(data, indices[::_EVERY], transform, size, device)
        )


def place_classes(
    network: TrainedNetwork, data: ImageSet, indices: NDArray[np.int64], transform: InputTransform, size: int
) -> None:
    """Let every loss begin with its classes where the network puts their signatures."""
    objective = network.objective
    placed = [
        (term, loss)
        for term, loss in objective.first_losses()
        if type(loss).place_classes is not Loss.place_classes
    ]
    if not placed:
        return
    for term, _ in placed:
        if term.per_kind:
            raise UsageError(f"The loss {term.name!r} places its classes, and cannot be one for each kind.")
    device = next(iter(network.parameters())).device
    features: list[list[Tensor]] = [[] for _ in placed]
    network.eval()
    with torch.no_grad():
        for pixels in _images(data, indices, transform, size, device):
            whole, layers, _ = network.tap(pixels, objective.layers)
            for (term, _), parts in zip(placed, features, strict=True):
                parts.append(objective.given(term, whole, layers))
        for (term, loss), parts in zip(placed, features, strict=True):
            classes = data.writers if term.label == "writers" else data.labels[term.label]
            loss.place_classes(torch.cat(parts), torch.from_numpy(classes[indices]).to(device))
    network.train()


def _images(
    data: ImageSet, indices: NDArray[np.int64], transform: InputTransform, size: int, device: torch.device
) -> Iterator[Tensor]:
    for first in range(0, len(indices), size):
        yield transform.centre(data, indices[first : first + size], device)
