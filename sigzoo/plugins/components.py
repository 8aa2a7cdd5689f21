"""What is known of a plugin: who ships it, which components it provides, what failed and why."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigzoo.plugins.kinds import KINDS

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Component:
    """Something that a plugin provides under a name: a backbone, a loss, a command, ..."""

    kind: str
    """One of `sigzoo.plugins.kinds.KINDS`."""
    name: str
    target: str
    """Where it is: ``"package.module:Name"``; imported when it is first asked for."""
    defaults: dict[str, Any]
    distribution: str

    def __str__(self) -> str:
        return f"{KINDS[self.kind].label} {self.name!r}"


@dataclass(frozen=True)
class SkippedComponent:
    """A component that cannot be used, while the rest of its plugin can."""

    component: Component
    reason: str
    details: str = ""
    """The traceback, where there is one."""


@dataclass
class Plugin:
    """One entry point and what became of it."""

    name: str
    distribution: str
    version: str
    installed: float = 0.0
    """When its distribution was installed, in seconds since the epoch; 0 where that is not known."""
    api: int | None = None
    provides: list[Component] = field(default_factory=list)
    registries: list[Path] = field(default_factory=list)
    skipped: list[SkippedComponent] = field(default_factory=list)
    failure: str | None = None
    """Why all of it was left out, in a sentence without its full stop."""
    details: str = ""
    """The traceback, where there is one."""

    @property
    def healthy(self) -> bool:
        """Whether all of the plugin is in use."""
        return self.failure is None and not self.skipped

    @property
    def health(self) -> str:
        """State of the plugin, in a line."""
        if self.failure is not None:
            return f"left out: {self.failure}"
        if self.skipped:
            return "in part: " + summary(self.skipped)
        return "healthy"

    def fail(self, reason: str, details: str = "") -> None:
        """Leave the plugin out, with all that it provides."""
        reason = one_line(reason).rstrip(".")
        self.failure, self.details = reason, details
        self.skipped += [SkippedComponent(each, reason, details) for each in self.provides]
        self.provides, self.registries = [], []

    def skip(self, component: Component, reason: str, details: str = "") -> None:
        """Leave one component out; the others stay."""
        self.skipped.append(SkippedComponent(component, one_line(reason).rstrip("."), details))
        self.provides = [each for each in self.provides if each is not component]


_MOST_LISTED = 5


def summary(skipped: list[SkippedComponent]) -> str:
    """Name skipped components and why, the first few of many."""
    listed = [f"the {each.component} was left out: {each.reason}" for each in skipped[:_MOST_LISTED]]
    if len(skipped) > _MOST_LISTED:
        listed.append(f"and {len(skipped) - _MOST_LISTED} more")
    return "; ".join(listed)


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
    except BaseException:  # an exception of a stranger's own may raise anything when it is shown
        text = "<an exception that cannot be shown>"
    name = type(error).__name__
    return one_line(f"{name}: {text}" if text else name)


def full_traceback(error: BaseException) -> str:
    """The whole traceback, as text."""
    try:
        return "".join(traceback.format_exception(error)).rstrip()
    except BaseException:  # as in `describe`
        return "".join(traceback.format_tb(error.__traceback__)).rstrip()
