"""What a card's recipe may state of how its model is trained: settings of a distillation, each optional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType, defstruct, structs, to_builtins

from sigzoo.common.json_values import to_json_values
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.training_settings import LearningSettings

__all__ = ["RecipeSettings"]

_OF_THE_TEACHER = ("first_label", "copy_head")


class _Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a recipe trains: settings of `sigzoo distill`, whose defaults hold where the recipe is silent."""

    def given(self) -> dict[str, Any]:
        """What the recipe says, by name, as JSON has it."""
        found: dict[str, Any] = to_json_values(to_builtins(self))
        return found


if TYPE_CHECKING:
    RecipeSettings = _Given
else:
    _wanted = (*LearningSettings.__struct_fields__, *_OF_THE_TEACHER)
    _types = {each.name: each.type for each in structs.fields(DistillationSettings)}
    RecipeSettings = defstruct(
        "RecipeSettings",
        [(name, _types[name] | UnsetType, UNSET) for name in _wanted],
        bases=(_Given,),
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
    )
