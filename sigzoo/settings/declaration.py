"""What a setting's annotation says: its type, the values it may take, and how it is described."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from sigzoo.errors import UnknownNameError, UsageError

__all__ = ["Count", "Declaration", "NotNegative", "Positive", "Whole", "checked", "declaration", "described"]

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path"}

Count = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""How many: at least one."""
Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A whole number from 0 on."""
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


def described(text: str, *, option: str | None = None, metavar: str | None = None) -> Meta:
    """What is said of a setting, as help text and in the documentation.

    Parameters
    ----------
    text
        A sentence or two.
    option
        The option of the command line, where it is not the setting's name with two dashes before it.
    metavar
        What the help writes for its value; ``FILE`` refuses a folder.
    """
    return Meta(description=text, extra={"option": option, "metavar": metavar})


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """A setting, as its annotation declares it."""

    name: str
    kind: Any
    """``int``, ``float``, ``bool``, ``str``, ``Path``, ``tuple`` or ``Mapping``."""
    items: tuple[Any, ...] = ()
    """Types of a tuple's values."""
    limits: tuple[Meta, ...] = ()
    choices: tuple[str, ...] = ()
    """The words that it, or each of its values, may be."""
    optional: bool = False
    """Whether it may be `None`."""
    default: Any = None
    required: bool = False
    text: str = ""
    option: str | None = None
    metavar: str | None = None

    @property
    def repeated(self) -> bool:
        """Whether it is a list of texts or of options, given one at a time on the command line."""
        return self.kind is tuple and not self.choices and self.items[0] in (str, Mapping)

    def range(self) -> str:
        """The allowed range in words; empty where every value of the type may stand."""
        words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
        found = [
            f"{words[key]} {getattr(each, key):.12g}"
            for key in words
            for each in self.limits
            if getattr(each, key) is not None and abs(getattr(each, key)) < 2**63 - 1
        ]
        return " and ".join(found)


def declaration(name: str, annotation: Any, default: Any = msgspec.NODEFAULT) -> Declaration:
    """Read a setting's annotation."""
    inner, metas = _unwrapped(annotation)
    members = get_args(inner) if get_origin(inner) in (Union, UnionType) else (inner,)
    (kind, more), *_ = (_unwrapped(each) for each in members if each is not NoneType)
    metas = (*metas, *more)
    extra = [each.extra for each in metas if each.extra]
    facts: dict[str, Any] = {
        "limits": metas,
        "optional": NoneType in members,
        "default": None if default is msgspec.NODEFAULT else default,
        "required": default is msgspec.NODEFAULT,
        "text": " ".join(each.description for each in metas if each.description),
        "option": next((each["option"] for each in extra), None),
        "metavar": next((each["metavar"] for each in extra), None),
    }
    origin = get_origin(kind) or kind
    if origin is Literal:
        return Declaration(name=name, kind=str, choices=get_args(kind), **facts)
    if origin is tuple:
        items = tuple(_unwrapped(each)[0] for each in get_args(kind))
        items = tuple(Mapping if get_origin(each) is Mapping else each for each in items)
        words = get_args(items[0]) if get_origin(items[0]) is Literal else ()
        return Declaration(name=name, kind=tuple, items=items, choices=words, **facts)
    return Declaration(name=name, kind=Mapping if origin not in _KINDS else origin, **facts)


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Meta, ...]]:
    """A type without what is annotated, and that."""
    if get_origin(annotation) is not Annotated:
        return annotation, ()
    inner, *metas = get_args(annotation)
    return inner, tuple(metas)


def checked(name: str, annotation: Any, value: object) -> Any:
    """A setting's value, converted where no doubt is: a path's text, a list for a tuple, numpy's numbers.

    Raises
    ------
    UsageError
        If it is of another type, or out of range; says what it must be.
    UnknownNameError
        If it is none of the words that it may be.
    """
    plain = _plain_number(value)
    finite = not isinstance(plain, float) or isfinite(plain)
    try:
        if finite:
            return msgspec.convert(plain, annotation, dec_hook=_path)
    except msgspec.ValidationError:
        pass
    found = declaration(name, annotation)
    if found.choices:
        given = value if isinstance(value, tuple | list) and found.kind is tuple else [value]
        wrong = next((each for each in given if each not in found.choices), None)
        if wrong is not None:
            raise UnknownNameError(name, f"{wrong}", found.choices)
    raise UsageError(
        f"{name} must be {_wanted(found, plain)}{'' if finite else ' and finite'}, got {value!r:.80}."
    )


def _wanted(found: Declaration, value: object) -> str:
    """What a value must be, as far as it is not."""
    fits = isinstance(value, int | float if found.kind is float else found.kind) and not (
        isinstance(value, bool) and found.kind is not bool
    )
    if found.kind is tuple:
        words = "a list" if Ellipsis in found.items else f"{found.metavar} ({len(found.items)} values)"
        return words if found.items[0] is not int else f"{words}, whole numbers of at least 1"
    if isinstance(value, str) and any(each.pattern for each in found.limits):
        return f"of the form {found.metavar}"
    kind = _KINDS.get(found.kind, "options by name")
    limits = found.range()
    if fits and limits:
        return limits
    return f"{kind} of {limits}" if limits.startswith("at") else f"{kind} {limits}".strip()


def _plain_number(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str | PathLike):
        return Path(value)
    raise TypeError("no path")
