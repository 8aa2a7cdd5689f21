"""What follows from the teacher of a distillation: preprocessing, input size, licence, provenance."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sigzoo.common.json_values import to_json_values
from sigzoo.datasets.synthetic import is_synthetic, parse_synthetic
from sigzoo.errors import UsageError
from sigzoo.learning.distillation.teacher import teacher_card
from sigzoo.learning.training.presets import default_loss
from sigzoo.loading import build_preprocessor
from sigzoo.registry import Card
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.training_settings import NOT_STATED
from sigzoo.zoo import default_zoo

__all__ = ["resolve_settings"]


def resolve_settings(settings: DistillationSettings) -> DistillationSettings:
    """Fill in the loss where none is named, and what follows from the teacher.

    That is the preprocessing, the student's input size, the licence, and what the card says of its origin.

    Raises
    ------
    UnknownNameError
        If there is no such teacher.
    UsageError
        If it keeps no writer head, the student takes images of another size, or something was said
        that the teacher contradicts; if no loss is named and no plugin has one by default.
    """
    if not (settings.loss or settings.losses):
        settings = replace(settings, **default_loss(settings))
    name, card = teacher_card(settings.teacher)
    preprocessor = card.preprocessor
    given = (settings.preprocessor, to_json_values(dict(settings.preprocessor_options)))
    theirs = (preprocessor.name, to_json_values(dict(preprocessor.options)))
    if settings.preprocessor and given != theirs:
        raise UsageError(
            f"A student sees what its teacher sees: {name} has the preprocessor {preprocessor.name!r} with"
            f" {theirs[1] or 'no options'}, not {given[0]!r} with {given[1] or 'none'}."
        )
    if settings.commercial_use and not card.licence.commercial_use:
        raise UsageError(
            f"{name} must not be used commercially ({card.licence.weights}), nor may a student of it."
        )
    settings = replace(
        settings,
        teacher=name,
        preprocessor=preprocessor.name,
        preprocessor_options=theirs[1],
        input_scale=card.input_scale,
        weights_licence=_terms(settings, name, card),
        trained_on=_origin(settings, name, card) if settings.trained_on is None else settings.trained_on,
    )
    return replace(settings, backbone_options=_fitting_options(settings, card))


def _terms(settings: DistillationSettings, name: str, card: Card) -> str:
    """The licence of the student's weights: that of the teacher's where they are restricted."""
    licence = settings.weights_licence
    inherited = f"distilled from weights of {name}: {card.licence.weights}"
    if card.licence.commercial_use or inherited in licence:
        return licence
    return inherited if licence == NOT_STATED else f"{licence}; {inherited}"


def _origin(settings: DistillationSettings, name: str, card: Card) -> str:
    """What the card says the student was made from."""
    descriptions = [
        parse_synthetic(each).describe() if is_synthetic(each) else Path(each).name
        for each in (settings.data, settings.continual)
        if each is not None
    ]
    new = f"; new writers of {descriptions[1]}" if len(descriptions) > 1 else ""
    return f"distilled from {name} through {descriptions[0]}{new} (the teacher: {card.trained_on})"


def _fitting_options(settings: DistillationSettings, card: Card) -> dict[str, Any]:
    """The student's options, with the teacher's input size where it was left open and one is taken."""
    options = dict(settings.backbone_options)
    size = build_preprocessor(card, default_zoo()).output_size
    taken = default_zoo().backbone(settings.backbone, **with_tuples(options)).input_size
    if size is None or taken in (size, None):
        return options
    fitting = {**options, "input_size": list(size)}
    with suppress(UsageError):
        if "input_size" not in options:
            default_zoo().backbone(settings.backbone, **with_tuples(fitting))
            return fitting
    raise UsageError(
        f"The student {settings.backbone!r} takes images of {taken} (h, w), its teacher sees {size}. Choose a"
        f" student of that size, where it can be had by --option input_size={size[0]},{size[1]}."
    )
