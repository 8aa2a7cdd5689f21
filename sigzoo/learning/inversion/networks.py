"""The networks that judge images: the teacher, and the student that competes with it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from sigzoo.errors import UsageError
from sigzoo.interfaces import Size
from sigzoo.learning.distillation.teacher import teacher_card
from sigzoo.learning.training.network import autocast, weights_digest
from sigzoo.loading import find_card
from sigzoo.model import SignatureModel
from sigzoo.settings.inversion_settings import InversionSettings
from sigzoo.zoo import default_zoo

Role = Literal["teacher", "student"]

__all__ = ["WriterClassifier", "check_student", "image_size", "load_classifier"]


class WriterClassifier(nn.Module):
    """A model of the registry as a function of images on the scale 0 to 1; nothing in it is trained.

    Parameters
    ----------
    model
        With a writer head.
    precision
        ``float32``, or ``bfloat16`` for what may be computed in it.
    """

    def __init__(self, model: SignatureModel, precision: str) -> None:
        super().__init__()
        self.name, self.card, self.preprocessor = model.name, model.card, model.preprocessor
        self.backbone, self.head = model.backbone, model.heads["writer"]
        self._scale, self._precision = 255.0 * model.card.input_scale, precision
        self.eval().requires_grad_(False)
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.head.weight.device

    @property
    def writers(self) -> int:
        """Outputs of its writer head."""
        return self.head.out_features

    def forward(self, images: Tensor) -> Tensor:
        """Writer logits float32 ``(N, W)`` of images float32 ``(N, 1, h, w)``, 0 to 1, ink bright on 0."""
        with autocast(self.device.type, self._precision):
            inputs = (images * self._scale).contiguous(memory_format=torch.channels_last)
            logits: Tensor = self.head(self.backbone(inputs))
        return logits.float()

    def takes(self, size: Size) -> bool:
        """Whether it computes images of a size as they are."""
        fixed, least = self.backbone.input_size, self.backbone.minimum_size
        return size == fixed if fixed is not None else size[0] >= least[0] and size[1] >= least[1]

    def digest(self) -> str:
        """A SHA-256 over its weights, to tell whether they are those of the run that is resumed."""
        return weights_digest(self.backbone, self.head)


def load_classifier(role: Role, settings: InversionSettings) -> WriterClassifier:
    """Load the teacher or the student of an inversion.

    Raises
    ------
    UsageError
        If it keeps no writer head, or there is no such device.
    SigzooError
        What `sigzoo.load` raises.
    """
    if role == "teacher":
        name, _ = teacher_card(settings.teacher)
        weights = settings.teacher_weights
    else:
        name, card = find_card(settings.compete, default_zoo())
        weights = settings.student_weights
        if "writer" not in card.heads:
            raise UsageError(
                f"{name} keeps no writer head, so it cannot compete with {settings.teacher}. `sigzoo"
                " train` and `sigzoo distill` make students that do."
            )
    return WriterClassifier(
        default_zoo().load(name, device=settings.device, weights=weights), settings.precision
    )


def image_size(settings: InversionSettings, teacher: WriterClassifier) -> Size:
    """Height and width of the images.

    Raises
    ------
    UsageError
        If the teacher does not take the size asked for, or takes any and none was asked for.
    """
    size = settings.size or teacher.backbone.input_size or teacher.preprocessor.output_size
    if size is None:
        raise UsageError(f"{teacher.name!r} takes images of any size: say which to make, --size H,W.")
    if not teacher.takes(size):
        fixed, least = teacher.backbone.input_size, teacher.backbone.minimum_size
        wanted = f"of {fixed}" if fixed else f"from {least} on"
        raise UsageError(f"{teacher.name!r} takes images {wanted} (h, w), not of {size}.")
    return size


def check_student(student: WriterClassifier, teacher: WriterClassifier, size: Size) -> None:
    """Refuse a student that cannot be compared with the teacher.

    Raises
    ------
    UsageError
        If it is the teacher itself, knows another number of writers, or does not take images of
        that size.
    """
    if student.digest() == teacher.digest():
        raise UsageError(
            f"The student {student.name!r} has the teacher's own weights, and never disagrees with it. Name a"
            " student distilled from it."
        )
    if student.writers != teacher.writers:
        raise UsageError(
            f"The student {student.name!r} tells {student.writers} writers apart, the teacher"
            f" {teacher.name!r} {teacher.writers}: they compete about the same ones."
        )
    if not student.takes(size):
        raise UsageError(
            f"The student {student.name!r} takes images of {student.backbone.input_size} (h, w), the"
            f" teacher's are of {size}."
        )
