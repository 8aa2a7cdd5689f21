"""How often a student names the writer that its teacher names: whether a distillation has worked at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.model import SignatureModel

__all__ = ["Agreement", "answers", "compare_answers"]

_ABOVE_CONSTANT = 0.1
"""Share of the way from the best constant answer to full agreement that a student must have come, where
its recipe does not say: of 531 writers that is some fifty times as often as by chance."""


@dataclass(frozen=True)
class Agreement:
    """Of a student with its teacher, in percent of the images held out."""

    images: int
    percent: float
    """Images of which both name the same writer."""
    constant: float
    """What a student would reach that always names the writer whom the teacher names most often."""
    required: float
    """What a sane student reaches."""

    @property
    def sane(self) -> bool:
        """Whether it is enough."""
        return self.percent >= self.required


def compare_answers(
    teacher: NDArray[np.int64], student: NDArray[np.int64], required: float | None = None
) -> Agreement:
    """Compare what two networks chose.

    Parameters
    ----------
    teacher, student
        ``(N,)``, N at least 1: outputs that were the highest.
    required
        In percent; by default a tenth of the way from the best constant answer to 100.
    """
    constant = 100.0 * float(np.unique(teacher, return_counts=True)[1].max()) / len(teacher)
    return Agreement(
        images=len(teacher),
        percent=100.0 * float((teacher == student).mean()),
        constant=constant,
        required=constant + _ABOVE_CONSTANT * (100.0 - constant) if required is None else required,
    )


def answers(
    model: SignatureModel, data: ImageSet, indices: NDArray[np.int64], *, batch_size: int = 64
) -> NDArray[np.int64]:
    """The writers that a model names for preprocessed images: int64 ``(n,)``, -1 where a logit is not finite.

    Parameters
    ----------
    model
        Keeps a writer head.
    data, indices
        The images, of the size that the model's network takes.
    batch_size
        Images at once.
    """
    head = model.heads["writer"]
    factor = model.card.input_scale * 255.0 / data.white
    found = []
    with torch.inference_mode():
        for start in range(0, len(indices), batch_size):
            pixels = torch.from_numpy(data.batch(indices[start : start + batch_size]))
            logits = head(model.backbone(pixels.to(head.weight.device).float() * factor))
            chosen = torch.where(torch.isfinite(logits).all(dim=1), logits.argmax(dim=1), -1)
            found.append(chosen.cpu().numpy())
    return np.concatenate(found)
