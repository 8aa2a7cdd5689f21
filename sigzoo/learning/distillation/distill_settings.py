"""What a distillation is told: the settings of a training, and a teacher's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.learning.training.settings import TrainingSettings

__all__ = ["LABELS", "DistillationSettings"]

LABELS = ("auto", "head", "none")
"""Whose writers the data's are."""


@dataclass(frozen=True, kw_only=True)
class DistillationSettings(TrainingSettings):
    """Everything that decides a distillation: `TrainingSettings`, whose `backbone` is the student, and more.

    The preprocessor and the input scale are the teacher's, and are filled in from its card.

    Raises
    ------
    UsageError
        If a value is out of range, or two do not go together.
    UnknownNameError
        If a value is none of those it may take.
    """

    command: ClassVar[str] = "distill"

    teacher: str
    """A model of the registry that keeps its writer head."""
    teacher_weights: Path | None = None
    """A local file in place of the teacher's published weights."""
    loss: str = ""
    """By default ``kd-kl``, or ``continual`` with new data."""
    preprocessor: str = ""
    augment: tuple[str, ...] = ()
    preprocessed: bool = False
    """Whether an ``.npz`` of uint8 images holds preprocessed ones; floating point and artifacts always do."""
    labels: str = "auto"
    """Whether the writers of `data` are those of the teacher's ``head``, or ``none`` of them; ``auto``:
    those of the head in preprocessed data. No loss of distillation looks at them: they measure only."""
    first_label: int | None = None
    """The label of the head's output 0, where that does not follow from the labels."""
    copy_head: bool = False
    """Whether the student's writer head begins as the teacher's."""
    continual: str | None = None
    """New data, with writers that the teacher does not know: what `data` can be."""
    continual_preprocessed: bool = False
    """Like `preprocessed`, of the new data."""

    def __post_init__(self) -> None:
        if not self.loss:
            object.__setattr__(self, "loss", "kd-kl" if self.continual is None else "continual")
        if self.teacher_weights is not None:
            object.__setattr__(self, "teacher_weights", Path(self.teacher_weights))
        super().__post_init__()
        if self.labels not in LABELS:
            raise UnknownNameError("labels", self.labels, LABELS)
        if self.labels == "none" and self.first_label is not None:
            raise UsageError("first_label numbers the head's writers; with labels 'none' there are none.")
        if self.continual is not None and self.batch_size < 4:
            raise UsageError(
                f"batch_size must be at least 4 with new data, which take half of it, got {self.batch_size}."
            )

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        weights = self.teacher_weights
        return {**super().to_json(), "teacher_weights": None if weights is None else str(weights)}

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        plain: Mapping[str, Any] = super().for_publication()
        weights, new = self.teacher_weights, self.continual
        return {
            **plain,
            "teacher_weights": None if weights is None else weights.name,
            "continual": new if new is None or new.startswith("synth:") else Path(new).name,
        }

    def summary(self) -> str:
        """What the card says of the model."""
        more = "" if self.continual is None else ", new writers beside"
        return f"{self.backbone} distilled from {self.teacher} with {self.loss} by `sigzoo distill`{more}"
