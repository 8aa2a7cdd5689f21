"""The teacher of a distillation: what it makes of images, and how a batch comes to hold that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sigzoo.common.progress import ProgressLike, bar
from sigzoo.errors import UsageError
from sigzoo.interfaces import Backbone, TrainingBatch
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.training.network import autocast, weights_digest
from sigzoo.loading import find_card
from sigzoo.registry import Card
from sigzoo.zoo import default_zoo

__all__ = ["Teacher", "TeacherEnricher", "load_teacher", "teacher_card"]

_MOST_KEPT = 512 << 20
"""Largest size in bytes of the teacher's answers that are kept rather than asked for again."""


class Teacher:
    """A network with its writer head, in evaluation mode, never trained.

    Parameters
    ----------
    backbone, head
        Its parts; moved to `device`.
    input_scale
        The network's input is a uint8 image times this.
    precision
        In which it computes, as the student does.
    device
        Where.

    Attributes
    ----------
    feature_dim, writers
        Size of its features, and how many writers it knows.
    head
        Its writer head.
    """

    def __init__(
        self, backbone: Backbone, head: nn.Linear, *, input_scale: float, precision: str, device: torch.device
    ) -> None:
        self._backbone = backbone.eval().requires_grad_(False).to(device)
        self.head = head.eval().requires_grad_(False).to(device)
        self._scale, self._precision = input_scale, precision
        self.feature_dim, self.writers = backbone.feature_dim, head.out_features

    def digest(self) -> str:
        """A SHA-256 over its parameters, to tell whether a resumed run has the same teacher."""
        return weights_digest(self._backbone, self.head)

    def __call__(self, pixels: Tensor, white: float) -> tuple[Tensor, Tensor]:
        """Features ``(N, D')`` and writer logits ``(N, W')``, float32, of images from 0 to `white`."""
        with torch.no_grad(), autocast(pixels.device.type, self._precision):
            features = self._backbone(pixels * (self._scale * (255.0 / white)))
            logits = self.head(features)
        return features.float(), logits.float()


def teacher_card(name: str) -> tuple[str, Card]:
    """The name and card of a model that can teach.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    UsageError
        If it keeps no writer head; names those that do.
    """
    name, card = find_card(name, default_zoo())
    if "writer" not in card.heads:
        known = [each for each, other in default_zoo().catalogue.models.items() if "writer" in other.heads]
        raise UsageError(
            f"{name} keeps no writer head, so it cannot teach. Models that do: {', '.join(known) or 'none'}."
            " `sigzoo train` makes one with any loss over writer logits, such as signet."
        )
    return name, card


def load_teacher(name: str, weights: Path | None, precision: str, device: torch.device) -> Teacher:
    """Load a model to teach; its weights are fetched where they are not at hand.

    Raises
    ------
    SigzooError
        As `sigzoo.load` does.
    """
    model = default_zoo().load(name, device="cpu", weights=weights)
    return Teacher(
        model.backbone,
        model.heads["writer"],
        input_scale=model.card.input_scale,
        precision=precision,
        device=device,
    )


class TeacherEnricher:
    """Fills in what a teacher makes of a batch's images, asked once for each where it stays the same.

    Parameters
    ----------
    teacher
        The teacher.
    transform
        How images become input.
    wanted
        Fields of a batch that the loss needs.
    first_new
        Place of the first new signature in the training data, in continual learning.
    """

    def __init__(
        self,
        teacher: Teacher,
        transform: InputTransform,
        wanted: frozenset[str],
        first_new: int | None = None,
    ) -> None:
        offered = {"teacher_features", "teacher_logits"} | ({"new"} if first_new is not None else set())
        self.provides = wanted & offered
        self._teacher, self._input, self._first_new = teacher, transform, first_new
        self._kept: dict[str, Tensor] = {}

    def __call__(self, batch: TrainingBatch, pixels: Tensor) -> TrainingBatch:
        """Return the batch with the teacher's features and logits, and which signatures are new."""
        assert batch.signatures is not None
        if self._kept:
            found: dict[str, Any] = {field: kept[batch.signatures] for field, kept in self._kept.items()}
        else:
            found = dict(zip(_ANSWERS, self._teacher(pixels, self._input.white), strict=True))
        if self._first_new is not None:
            found["new"] = batch.signatures >= self._first_new
        return replace(batch, **{field: found[field] for field in self.provides})

    def remember(
        self, data: ImageSet, *, batch_size: int, device: torch.device, progress: ProgressLike = False
    ) -> None:
        """Ask the teacher about all images now, if its answers will fit into memory.

        Only for images that are always the same: not augmented, not cropped, all of one size.
        """
        teacher = self._teacher
        sizes = {"teacher_features": teacher.feature_dim, "teacher_logits": teacher.writers}
        needed = sum(size for field, size in sizes.items() if field in self.provides)
        if 4 * needed * len(data) > _MOST_KEPT or data.smallest() != data.largest():
            return
        answers: dict[str, list[Tensor]] = {field: [] for field in _ANSWERS if field in self.provides}
        everything = np.arange(len(data), dtype=np.int64)
        with bar(progress if progress is True else False, len(data), "asking the teacher") as done:
            for found in self._ask(data, everything, batch_size, device):
                for field, own in answers.items():
                    own.append(found[field])
                done(len(found["teacher_logits"]))
        self._kept = {field: torch.cat(own) for field, own in answers.items()}

    def choices(
        self, data: ImageSet, indices: NDArray[np.int64], *, batch_size: int, device: torch.device
    ) -> NDArray[np.int64]:
        """The writers that the teacher takes some images for: ``(n,)``, outputs of its head.

        `data` are all that is learnt from, or the old ones, which come first of them.
        """
        if "teacher_logits" in self._kept:
            known: NDArray[np.int64] = self._kept["teacher_logits"].argmax(dim=1).cpu().numpy()
            return known[indices]
        found = [
            answer["teacher_logits"].argmax(dim=1) for answer in self._ask(data, indices, batch_size, device)
        ]
        chosen: NDArray[np.int64] = torch.cat(found).cpu().numpy()
        return chosen

    def _ask(
        self, data: ImageSet, indices: NDArray[np.int64], batch_size: int, device: torch.device
    ) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(indices), batch_size):
            pixels = self._input.centre(data, indices[start : start + batch_size], device)
            yield dict(zip(_ANSWERS, self._teacher(pixels, self._input.white), strict=True))


_ANSWERS = ("teacher_features", "teacher_logits")
