"""Writer heads that are made of a loss's own classes, over the features, and kept with the weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigzoo.errors import UsageError
from sigzoo.interfaces.data_sources import WRITER
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.training.network import TrainedNetwork

__all__ = ["check_export", "export_heads"]

Heads = dict[str, dict[str, Tensor]]


def check_export(network: TrainedNetwork) -> None:
    """Refuse to export a head that cannot be had.

    Raises
    ------
    UsageError
        If no loss has classes of its own, or they are over a layer that does not follow from the features.
    """
    for term, loss in network.objective.first_losses():
        if loss.export_heads():
            if term.layer is not None and network.backbone.layer_from_features(term.layer) is None:
                raise UsageError(
                    f"The classes of the loss {term.name!r} are over the layer {term.layer!r}, which does not"
                    " follow from the features, so that no writer head can be made of them."
                )
            return
    raise UsageError("No loss of this run has classes that a writer head could be made of.")


def export_heads(network: TrainedNetwork, data: ImageSet, outputs: int) -> Heads:
    """Heads over the features whose outputs are the first classes of genuine signatures, in their order.

    Parameters
    ----------
    network
        Its first loss that offers heads is asked.
    data
        Tells whose the classes are: those of forgers and of other writers of a text are left out.
    outputs
        How many, at most.
    """
    for term, loss in network.objective.first_losses():
        heads = loss.export_heads()
        if not heads:
            continue
        kept = torch.from_numpy(_classes(data, term.label, outputs))
        layer = None if term.layer is None else network.backbone.layer_from_features(term.layer)
        return {name: _over_features(parts, kept, layer) for name, parts in heads.items()}
    return {}


def _classes(data: ImageSet, label: str, outputs: int) -> NDArray[np.int64]:
    classes = data.writers if label == "writers" else data.labels[label]
    first = data.labels["role"] == WRITER if "role" in data.labels else data.forged == 0
    return np.unique(classes[first])[:outputs]


def _over_features(parts: Mapping[str, Tensor], kept: Tensor, layer: Tensor | None) -> dict[str, Tensor]:
    weight, bias = (parts[name].detach().float().cpu()[kept] for name in ("weight", "bias"))
    return {"weight": weight if layer is None else weight @ layer.float().cpu(), "bias": bias}
