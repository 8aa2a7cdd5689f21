"""What a step minimises: a weighted sum of losses, each on a layer, over a label, for kinds of batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.interfaces import Backbone, Loss, TrainingBatch

__all__ = ["Objective", "Term", "layer_shapes"]

WRITERS = "writers"


@dataclass(frozen=True)
class Term:
    """One loss of an objective, not prepared yet."""

    name: str
    """What messages call the loss."""
    loss: Loss
    weight: float = 1.0
    layer: str | None = None
    """The layer whose output stands for the features, flattened; `None` for the features."""
    label: str = WRITERS
    """The label that stands for the writers."""
    batches: tuple[str, ...] = ("*",)
    """Patterns of the kinds of batches that it is for."""
    per_kind: bool = False
    """Whether each kind of batch has a loss of its own, with parameters of its own."""

    @property
    def learns_from_forgeries(self) -> bool:
        """Whether it has a use for forgeries: it asks for them, or they are classes of their own."""
        return "forgery" in self.loss.needs or self.label != WRITERS

    def takes(self, kind: str) -> bool:
        """Whether it is for batches of a kind."""
        return any(fnmatchcase(kind, pattern) for pattern in self.batches)


class Objective(nn.Module):
    """Weighted sum of losses.

    Parameters
    ----------
    terms
        The losses; at least one.
    kinds
        The kinds of batches that there will be.

    Raises
    ------
    UsageError
        If no loss is for batches of some kind, or a loss is for none.

    Attributes
    ----------
    needs
        Fields of `TrainingBatch` that some loss reads.
    layers, labels
        The backbone's layers, and the data's labels beside the writers, that some loss reads.
    """

    def __init__(self, terms: Sequence[Term], kinds: Sequence[str] = ("any",)) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.needs = frozenset().union(*(term.loss.needs for term in terms))
        tapped = [name for term in terms for name in (*term.loss.layers, term.layer) if name is not None]
        read = [name for term in terms for name in (*term.loss.labels, term.label) if name != WRITERS]
        self.layers, self.labels = tuple(dict.fromkeys(tapped)), tuple(dict.fromkeys(read))
        self._places: list[dict[str, int]] = []
        self.losses = nn.ModuleList()
        for term in terms:
            own = [kind for kind in kinds if term.takes(kind)]
            if not own:
                raise UsageError(
                    f"The loss {term.name!r} is for batches of {', '.join(term.batches)}, and there are none:"
                    f" the samplers give {', '.join(kinds)}."
                )
            first = len(self.losses)
            copies = len(own) if term.per_kind else 1
            self.losses.extend([term.loss, *(copy.deepcopy(term.loss) for _ in range(copies - 1))])
            self._places.append({kind: first + (at if term.per_kind else 0) for at, kind in enumerate(own)})
        for kind in kinds:
            if not any(kind in places for places in self._places):
                raise UsageError(f"No loss is for batches of the kind {kind!r}, which the samplers give.")

    @classmethod
    def of(cls, loss: Loss) -> Objective:
        """One loss, on the features of all batches."""
        return cls([Term(type(loss).__name__, loss)])

    def prepare(
        self,
        *,
        feature_dim: int,
        writers: int,
        layers: Mapping[str, tuple[int, ...]] | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        """Prepare every loss for what it is given.

        Parameters
        ----------
        feature_dim, writers
            Size of the features, and how many writers there are.
        layers, labels
            Shapes of the layers' outputs, and how many values the labels have.
        """
        shapes, counts = layers or {}, {WRITERS: writers, **(labels or {})}
        for term, places in zip(self.terms, self._places, strict=True):
            for place in sorted(set(places.values())):
                loss = self._loss(place)
                if loss.layers or loss.labels:
                    loss.prepare_for_data(
                        layers={name: shapes[name] for name in loss.layers},
                        labels={name: counts[name] for name in loss.labels},
                    )
                size = feature_dim if term.layer is None else torch.Size(shapes[term.layer]).numel()
                loss.prepare(feature_dim=size, writers=counts[term.label])

    def forward(self, batch: TrainingBatch, kind: str = "any") -> Tensor:
        """The weighted sum, for a batch of a kind: a scalar."""
        total: Tensor | None = None
        for term, places in zip(self.terms, self._places, strict=True):
            given = self._given(term, batch) if kind in places else None
            if given is None or not len(given.features):
                continue
            value: Tensor = self.losses[places[kind]](given)
            value = value if term.weight == 1.0 else term.weight * value
            total = value if total is None else total + value
        return batch.features.sum() * 0.0 if total is None else total

    def given(self, term: Term, features: Tensor, layers: Mapping[str, Tensor]) -> Tensor:
        """What stands for the features in a loss, ``(N, D)``."""
        return features if term.layer is None else layers[term.layer].flatten(1)

    def first_losses(self) -> list[tuple[Term, Loss]]:
        """Every term with its loss, or the first of its losses."""
        return [
            (term, self._loss(min(places.values())))
            for term, places in zip(self.terms, self._places, strict=True)
        ]

    def _loss(self, place: int) -> Loss:
        loss = self.losses[place]
        assert isinstance(loss, Loss)
        return loss

    def _given(self, term: Term, batch: TrainingBatch) -> TrainingBatch:
        """The batch as a loss sees it: its layer, its label, and no forgeries if it knows of none."""
        loss = term.loss
        given = replace(
            batch,
            features=self.given(term, batch.features, batch.layers),
            writers=batch.writers if term.label == WRITERS else batch.labels[term.label],
            forgery=batch.forgery if "forgery" in loss.needs else None,
            layers={name: batch.layers[name] for name in loss.layers},
            labels={name: batch.labels[name] for name in loss.labels},
        )
        # Forgeries are there for another loss; one that knows of none would take them for genuine.
        others = any(each.learns_from_forgeries for each in self.terms)
        if batch.forgery is None or term.learns_from_forgeries or not others:
            return given
        genuine = batch.forgery < 0.5
        return given if bool(genuine.all()) else _rows(given, genuine)


def layer_shapes(backbone: Backbone, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of layers' outputs for one image, without the first axis.

    Raises
    ------
    UnknownNameError
        If the backbone has no such layer.
    """
    for name in names:
        if name not in backbone.layers:
            raise UnknownNameError("layer", name, backbone.layers, f"Layers: {', '.join(backbone.layers)}.")
    if not names:
        return {}
    height, width = backbone.input_size or backbone.minimum_size
    training, parameter = backbone.training, next(backbone.parameters(), torch.empty(0))
    backbone.eval()
    try:
        with torch.no_grad():
            blank = torch.zeros(1, 1, height, width, device=parameter.device)
            found = backbone.forward_layers(blank, tuple(names))
    finally:
        backbone.train(training)
    return {name: tuple(found[name].shape[1:]) for name in names}


def _rows(batch: TrainingBatch, rows: Tensor) -> TrainingBatch:
    chosen: dict[str, Any] = {}
    for each in fields(batch):
        value = getattr(batch, each.name)
        if isinstance(value, Tensor):
            chosen[each.name] = value[rows]
        elif isinstance(value, Mapping):
            chosen[each.name] = {name: one[rows] for name, one in value.items()}
    return replace(batch, **chosen)
