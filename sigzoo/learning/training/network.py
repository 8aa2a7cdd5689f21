"""What is trained: a backbone, the heads that the loss asks for, and the loss with parameters of its own."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from sigzoo.errors import PluginError, UsageError
from sigzoo.interfaces import Backbone, Loss, TrainingBatch
from sigzoo.learning.training.objective import Objective, layer_shapes

__all__ = ["BatchEnricher", "TrainedNetwork", "autocast", "check_needs", "weights_digest"]

_FIELDS = frozenset(each.name for each in fields(TrainingBatch)) - {"layers", "labels"}
_OWN = _FIELDS - {"teacher_features", "teacher_logits", "new"}
_PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class BatchEnricher(Protocol):
    """Adds to a batch what the loop has not: a teacher's features, say. Its parameters are not trained."""

    provides: frozenset[str]
    """Fields of `TrainingBatch` that it fills."""

    def __call__(self, batch: TrainingBatch, pixels: Tensor) -> TrainingBatch:
        """Return the batch with `provides` filled in.

        Parameters
        ----------
        batch
            What the loop knows.
        pixels
            float32 ``(N, 1, h, w)``, ink bright on 0: the images as augmented and cropped, from 0 to
            255, or to the `TrainedNetwork`'s `white`.
        """
        ...


def check_needs(name: str, loss: Loss, enricher: BatchEnricher | None) -> None:
    """Refuse a loss whose needs cannot be met.

    Raises
    ------
    PluginError
        If it declares a field that no batch has.
    UsageError
        If it learns from a teacher and there is none.
    """
    unknown = loss.needs - _FIELDS
    if unknown:
        raise PluginError(
            f"The loss {name!r} declares that it needs {', '.join(sorted(unknown))}: no batch has."
        )
    missing = loss.needs - _OWN - (enricher.provides if enricher else frozenset())
    if missing:
        raise UsageError(
            f"The loss {name!r} learns from a teacher ({', '.join(sorted(missing))}), and training alone has"
            " none. Choose a loss without one; `sigzoo plugins` lists them."
        )


class TrainedNetwork(nn.Module):
    """From pixels and labels to a loss, in one module, so that processes can share its gradients.

    Parameters
    ----------
    backbone, loss
        The loss, or several, is prepared here; for a teacher, where it has one, before.
    writers
        How many the writer head tells apart.
    labels
        How many values each label of the data has that a loss reads.
    input_scale
        The network's input is a uint8 image times this.
    precision
        Of the network; the loss is computed in float32.
    enricher
        Fills in what the loop does not know of a batch.
    white
        The largest value of a pixel: 255, or 1 for images in floating point.

    Attributes
    ----------
    backbone, heads, objective
        Its parts; ``writer`` and ``forgery`` heads as the losses need them.
    factor
        The network's input is the pixels times this.
    """

    def __init__(
        self,
        backbone: Backbone,
        loss: Loss | Objective,
        *,
        writers: int,
        labels: Mapping[str, int] | None = None,
        input_scale: float,
        precision: str = "float32",
        enricher: BatchEnricher | None = None,
        white: float = 255.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.objective = loss if isinstance(loss, Objective) else Objective.of(loss)
        outputs = {"writer": writers, "forgery": 1}
        self.heads = nn.ModuleDict(
            {
                head: nn.Linear(backbone.feature_dim, count)
                for head, count in outputs.items()
                if f"{head}_logits" in self.objective.needs
            }
        )
        self.objective.prepare(
            feature_dim=backbone.feature_dim,
            writers=writers,
            layers=layer_shapes(backbone, self.objective.layers),
            labels=labels,
        )
        self.input_scale, self._precision = input_scale, precision
        self.factor = input_scale * (255.0 / white)
        # In a tuple, so that torch does not take a teacher's parameters for its own.
        self._enricher = (enricher,)

    def forward(
        self,
        pixels: Tensor,
        writers: Tensor,
        forged: Tensor,
        signatures: Tensor,
        labels: Mapping[str, Tensor] | None = None,
        kind: str = "any",
    ) -> Tensor:
        """Loss of a batch: a scalar.

        Parameters
        ----------
        pixels
            float32 ``(N, 1, h, w)``, 0 to `white`.
        writers
            int64 ``(N,)``.
        forged
            float32 ``(N,)``: 0 genuine, 1 forgery.
        signatures
            int64 ``(N,)``: their places in the training data.
        labels
            int64 ``(N,)`` each: the labels that a loss reads.
        kind
            What kind of batch it is.
        """
        features, layers, logits = self.tap(pixels, self.objective.layers)
        batch = TrainingBatch(
            features=features,
            writers=writers,
            forgery=forged,
            writer_logits=logits.get("writer"),
            forgery_logits=logits["forgery"].squeeze(1) if "forgery" in logits else None,
            signatures=signatures,
            layers=layers,
            labels=labels or {},
        )
        (enricher,) = self._enricher
        if enricher is not None:
            with torch.no_grad():
                added = enricher(batch, pixels)
            batch = replace(batch, **{field: getattr(added, field) for field in enricher.provides})
        value: Tensor = self.objective(batch, kind)
        return value

    def describe(self, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features float32 ``(N, D)`` and each head's logits ``(N, outputs)`` of images 0 to `white`."""
        features, _, logits = self.tap(pixels, ())
        return features, logits

    def tap(
        self, pixels: Tensor, layers: Sequence[str]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Features, some layers' outputs and each head's logits, all float32, of images 0 to `white`."""
        with autocast(pixels.device.type, self._precision):
            x, last = pixels * self.factor, self.backbone.layers[-1]
            tapped = self.backbone.forward_layers(x, tuple(dict.fromkeys((*layers, last)))) if layers else {}
            features = tapped[last] if layers else self.backbone(x)
            logits = {name: head(features) for name, head in self.heads.items()}
        return (
            features.float(),
            {name: tapped[name].float() for name in layers},
            {name: each.float() for name, each in logits.items()},
        )

    def parts(self) -> dict[str, nn.Module]:
        """Everything that holds parameters: ``backbone``, ``heads`` and ``objective``."""
        return {"backbone": self.backbone, "heads": self.heads, "objective": self.objective}

    def with_parts(self, parts: Mapping[str, nn.Module]) -> Self:
        """The same network with other `parts`."""
        other = copy.copy(self)
        # A copy shares the dict of its modules: a part set in one would be set in both.
        other._modules = dict(self._modules)
        for name, part in parts.items():
            setattr(other, name, part)
        return other


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """A block in which networks compute in a precision of `TrainingSettings`."""
    return nullcontext() if precision == "float32" else torch.autocast(device, _PRECISIONS[precision])


def weights_digest(*parts: nn.Module) -> str:
    """A SHA-256 over networks' parameters and buffers, to tell whether a resumed run has the same ones."""
    found = hashlib.sha256()
    for part in parts:
        for name, tensor in sorted(part.state_dict().items()):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            # As bytes: numpy knows no bfloat16.
            found.update(tensor.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
