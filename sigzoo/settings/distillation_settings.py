"""What a distillation is told: the settings of a training, and a teacher's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from sigzoo.errors import UsageError
from sigzoo.settings.declaration import described
from sigzoo.settings.training_settings import Augmentation, TrainingSettings

__all__ = ["DistillationSettings"]


class DistillationSettings(TrainingSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    needs_loss: ClassVar[bool] = False

    teacher: Annotated[str, described("A model that keeps its writer head.", metavar="NAME")]
    teacher_weights: Annotated[
        Path | None,
        described("A local weight file in place of the teacher's published one.", metavar="FILE"),
    ] = None
    backbone: Annotated[
        str, described("Network to teach; see `sigzoo plugins`.", option="--student", metavar="NAME")
    ]
    loss: Annotated[
        str,
        described(
            "What to minimise; by default what an installed plugin has for distilling; `sigzoo plugins`"
            " lists them.",
            metavar="NAME",
        ),
    ] = ""
    data: Annotated[
        str,
        described(
            "An artifact such as inverted-signet, an .npz, a folder of images, or"
            " synth:writers=500,genuine=16.",
            metavar="SOURCE",
        ),
    ]
    preprocessor: str = ""
    augment: Annotated[
        tuple[Augmentation, ...],
        described("all, none, or some steps; see `sigzoo train --help`.", metavar="STEPS"),
    ] = ()
    preprocessed: Annotated[
        bool,
        described("An .npz of uint8 images holds preprocessed ones; floating point and artifacts always do."),
    ] = False
    labels: Annotated[
        Literal["auto", "head", "none"],
        described(
            "Whether the writers of the data are those of the teacher's head; auto: those of preprocessed"
            " data are. No loss of distillation looks at them: they measure only."
        ),
    ] = "auto"
    first_label: Annotated[
        int | None,
        described("The label of the head's output 0, such as 350, where it does not follow from the labels."),
    ] = None
    copy_head: Annotated[bool, described("Let the student's writer head begin as the teacher's.")] = False
    continual: Annotated[
        str | None,
        described("New data, of writers whom the teacher does not know.", metavar="SOURCE"),
    ] = None
    continual_preprocessed: Annotated[bool, described("Like --preprocessed, of the new data.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels == "none" and self.first_label is not None:
            raise UsageError("first_label numbers the head's writers; with labels 'none' there are none.")
        if self.continual is not None and self.batch_size < 4:
            raise UsageError(
                f"batch_size must be at least 4 with new data, which take half of it, got {self.batch_size}."
            )

    def for_publication(self) -> dict[str, Any]:
        """What decided the numbers, without the folders of the machine it was done on."""
        weights, new = self.teacher_weights, self.continual
        return {
            **super().for_publication(),
            "teacher_weights": None if weights is None else weights.name,
            "continual": new if new is None or new.startswith("synth:") else Path(new).name,
        }

    def summary(self) -> str:
        """What the card says of the model."""
        more = "" if self.continual is None else ", new writers beside"
        return f"{self.backbone} distilled from {self.teacher} with {self.loss} by `sigzoo distill`{more}"
