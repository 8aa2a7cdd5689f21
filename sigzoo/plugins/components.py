"""What is known of a plugin: who ships it, what it provides, what failed and why."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

API_VERSION = 1
"""Version of the interfaces and hooks; a plugin declares the one it was written for as `SIGZOO_API`."""

Kind = Literal["backbone", "preprocessor", "loss"]
KINDS: tuple[Kind, ...] = ("backbone", "preprocessor", "loss")

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Provided:
    """A backbone, preprocessor or loss that a plugin offers."""

    kind: Kind
    name: str
    target: str
    """Where the class is: ``"package.module:Name"``; imported when it is first asked for."""
    defaults: dict[str, Any]
    distribution: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True)
class LeftOut:
    """One entry of a plugin that cannot be used, while the rest of the plugin can."""

    item: Provided
    reason: str
    details: str = ""
    """The traceback, where there is one."""


@dataclass
class Plugin:
    """One entry point and what became of it."""

    name: str
    distribution: str
    version: str
    api: int | None = None
    provides: list[Provided] = field(default_factory=list)
    registries: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    failure: str | None = None
    """Why all of it was left out, in a sentence without its full stop."""
    details: str = ""
    """The traceback, where there is one."""

    @property
    def healthy(self) -> bool:
        """Whether all of the plugin is in use."""
        return self.failure is None and not self.left_out

    @property
    def health(self) -> str:
        """State of the plugin, in a line."""
        if self.failure is not None:
            return f"left out: {self.failure}"
        if self.left_out:
            return "in part: " + "; ".join(f"{each.item} left out: {each.reason}" for each in self.left_out)
        return "healthy"

    def fail(self, reason: str, details: str = "") -> None:
        """Leave the plugin out, with all that it provides."""
        reason = one_line(reason).rstrip(".")
        self.failure, self.details = reason, details
        self.left_out += [LeftOut(item, reason, details) for item in self.provides]
        self.provides, self.registries = [], []

    def leave_out(self, item: Provided, reason: str, details: str = "") -> None:
        """Leave one entry out; the others stay."""
        self.left_out.append(LeftOut(item, one_line(reason).rstrip("."), details))
        self.provides = [each for each in self.provides if each is not item]


def normalise(distribution: str) -> str:
    """Spell a distribution's name as the packaging standard does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def one_line(text: str) -> str:
    """Bring a message into a line that a terminal can show."""
    text = "".join(each if each.isprintable() else " " for each in " ".join(text.split()))
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."


def describe(error: BaseException) -> str:
    """Say in a line what was raised, whatever the exception's own ``__str__`` does."""
    try:
        text = str(error)
    except Exception:
        text = "<an exception that cannot be shown>"
    name = type(error).__name__
    return one_line(f"{name}: {text}" if text else name)


def full_traceback(error: BaseException) -> str:
    """The whole traceback, as text."""
    return "".join(traceback.format_exception(error)).rstrip()
