"""Trying everything that the plugins offer, which loading them leaves for when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sigzoo.errors import SigzooError
from sigzoo.plugins.components import Plugin, describe, full_traceback, one_line
from sigzoo.plugins.kinds import KINDS
from sigzoo.plugins.manager import PluginManager

__all__ = ["Build", "ComponentCheck", "check", "check_models"]


@dataclass(frozen=True)
class ComponentCheck:
    """What became of one thing that a plugin offers."""

    distribution: str
    """Who offers it; the registry's path for a model of a user's own registry."""
    kind: str
    """A kind of component, ``model``, or ``plugin`` for one that was left out."""
    name: str
    failure: str | None = None
    details: str = ""


Build = Callable[[], object]
"""Builds something, or raises."""


def check(
    manager: PluginManager, plugins: Iterable[Plugin], models: Callable[[Plugin], dict[str, Build]]
) -> Iterator[ComponentCheck]:
    """Resolve every lazy target and build what can be built with its defaults.

    Parameters
    ----------
    manager
        Holds the plugins.
    plugins
        Those to check.
    models
        For a plugin, what builds each of its models, by name.
    """
    for plugin in plugins:
        who = plugin.distribution
        if plugin.failure is not None:
            yield ComponentCheck(who, "plugin", plugin.name, plugin.failure, plugin.details)
            continue
        for each in list(plugin.skipped):
            yield ComponentCheck(who, each.component.kind, each.component.name, each.reason, each.details)
        for component in list(plugin.provides):
            kind = KINDS[component.kind]
            build = manager.find if kind.needs_arguments else partial(manager.build, options={})
            yield _tried(who, kind.name, component.name, partial(build, kind.name, component.name))
        yield from check_models(who, models(plugin))


def check_models(origin: str, models: Mapping[str, Build]) -> Iterator[ComponentCheck]:
    """Build models.

    Parameters
    ----------
    origin
        Who brings them: a distribution's name or a registry's path.
    models
        What builds each, by name.
    """
    for name, build in models.items():
        yield _tried(origin, "model", name, build)


def _tried(distribution: str, kind: str, name: str, build: Build) -> ComponentCheck:
    try:
        build()
    except Exception as error:
        reason = one_line(str(error)) if isinstance(error, SigzooError) else describe(error)
        return ComponentCheck(distribution, kind, name, reason.rstrip("."), full_traceback(error))
    return ComponentCheck(distribution, kind, name)
