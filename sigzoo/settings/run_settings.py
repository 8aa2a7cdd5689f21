"""Settings that a run keeps as JSON beside its results: checked, read with care, compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from sigzoo.common.json_values import to_json_values
from sigzoo.errors import DataError, SigzooError, UsageError
from sigzoo.settings.declaration import Declaration, checked, declaration

__all__ = ["RunSettings", "declarations", "require"]


class RunSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the settings of a run: a field each, whose annotation is all that is said of it.

    From an annotation follow the check of a value, the option of the command line with its help, what
    JSON beside the run holds, and what a card's recipe may state.

    Raises
    ------
    UsageError
        If a value is of another type or out of range; names the setting and the range.
    UnknownNameError
        If a value is none of those it may take.
    """

    label: ClassVar[str]
    """What messages call such a run."""
    not_affecting_result: ClassVar[frozenset[str]] = frozenset()
    """Settings that change nothing about the numbers, so that a resumed run may differ in them."""

    def __post_init__(self) -> None:
        for each in msgspec.structs.fields(type(self)):
            force_setattr(self, each.name, checked(each.name, each.type, getattr(self, each.name)))

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON has them: paths as text, tuples as lists."""
        return {name: _as_json(getattr(self, name)) for name in self.__struct_fields__}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> Self:
        """Read settings that `to_json` wrote.

        Raises
        ------
        DataError
            If there is something in them that no such run has, or something is missing, of another
            type or out of range.
        """
        unknown = sorted(set(values) - set(cls.__struct_fields__))
        if unknown:
            raise DataError(f"{where}: holds {', '.join(unknown)}, which no {cls.label} has.")
        types = {each.name: each.type for each in msgspec.structs.fields(cls)}
        try:
            for name, value in values.items():
                checked(name, types[name], value)
            return cls(**values)
        except (TypeError, SigzooError) as error:
            article = "an" if cls.label[0] in "aeiou" else "a"
            reason = str(error).rstrip(".")
            raise DataError(
                f"{where}: does not hold the settings of {article} {cls.label}: {reason}."
            ) from error

    def differences(self, other: Self) -> list[str]:
        """Name the settings in which another run would give other numbers."""
        mine, theirs = (to_json_values(each.to_json()) for each in (self, other))
        return sorted(
            key for key in mine if key not in self.not_affecting_result and mine[key] != theirs[key]
        )


def declarations(kind: type[RunSettings]) -> dict[str, Declaration]:
    """What each setting of a run is, by name."""
    return {
        each.name: declaration(each.name, each.type, {} if each.default_factory is dict else each.default)
        for each in msgspec.structs.fields(kind)
    }


def require(good: bool, name: str, wanted: str, value: object) -> None:
    """Refuse a setting that does not go with another one.

    Raises
    ------
    UsageError
        Says what it must be.
    """
    if not good:
        raise UsageError(f"{name} must be {wanted}, got {value!r}.")


def _as_json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
