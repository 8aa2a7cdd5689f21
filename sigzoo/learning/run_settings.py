"""Settings that a run keeps as JSON beside its results: checked, read with care, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, ClassVar, Self

from sigzoo.common.json_values import to_json_values
from sigzoo.errors import DataError, SigzooError, UsageError

__all__ = ["KeptSettings", "require"]

_KINDS: dict[str, tuple[type, ...]] = {
    "None": (NoneType,),
    "str": (str,),
    "Path": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "Size": (list,),
    "tuple[str, ...]": (list,),
    "tuple[int, ...]": (list,),
    "tuple[Mapping[str, Any], ...]": (list,),
    "Mapping[str, Any]": (dict,),
}
"""What JSON has for an annotation."""


class KeptSettings:
    """What frozen dataclasses of settings share; their values are plain once `to_json` has been at them."""

    kept_for: ClassVar[tuple[str, str]]
    """What the settings are of, with its article, and without: what messages call it."""
    elsewhere: ClassVar[frozenset[str]]
    """Settings that change nothing about the numbers, so that a resumed run may differ in them."""

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> Self:
        """Read settings that `to_json` wrote.

        Raises
        ------
        DataError
            If there is something in them that no such run has, or something is missing, of another
            type or out of range.
        """
        one, kind = cls.kept_for
        known = {each.name: str(each.type) for each in fields(cls)}  # type: ignore[arg-type]
        surplus = sorted(set(values) - set(known))
        if surplus:
            raise DataError(f"{where}: holds {', '.join(surplus)}, which no {kind} has.")
        wrong = [key for key, value in values.items() if not _fits(value, known[key])]
        try:
            if wrong:
                raise TypeError(f"{wrong[0]} is {values[wrong[0]]!r:.60}")
            return cls(**values)
        except (TypeError, ValueError, OverflowError, SigzooError) as error:
            reason = str(error).rstrip(".")
            raise DataError(f"{where}: does not hold the settings of {one}: {reason}.") from error

    def differences(self, other: Self) -> list[str]:
        """Name the settings in which another run would give other numbers."""
        mine, theirs = (to_json_values(each.to_json()) for each in (self, other))
        return sorted(key for key in mine if key not in self.elsewhere and mine[key] != theirs[key])


def require(good: bool, name: str, wanted: str, value: object) -> None:
    """Refuse a setting that is not good.

    Raises
    ------
    UsageError
        Says what it must be.
    """
    if not good:
        raise UsageError(f"{name} must be {wanted}, got {value!r}.")


def _fits(value: object, annotation: str) -> bool:
    """Whether a value of JSON is of a setting's type; an annotation is its source text."""
    return any(type(value) in _KINDS[part] for part in annotation.split(" | "))
