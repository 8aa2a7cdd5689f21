"""Trying everything that the plugins offer, which loading them leaves for when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sigzoo.errors import SigzooError
from sigzoo.plugins.components import Plugin, describe, full_traceback, one_line
from sigzoo.plugins.manager import PluginManager


@dataclass(frozen=True)
class Checked:
    """What became of one thing that a plugin offers."""

    distribution: str
    """Who offers it; the registry's path for a model of a user's own registry."""
    kind: str
    """``backbone``, ``preprocessor``, ``loss``, ``model``, or ``plugin`` for one that was left out."""
    name: str
    failure: str | None = None
    details: str = ""


Attempt = Callable[[], object]


def check(
    manager: PluginManager, plugins: Iterable[Plugin], models: Callable[[Plugin], dict[str, Attempt]]
) -> Iterator[Checked]:
    """Resolve every lazy target and build everything with its defaults.

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
            yield Checked(who, "plugin", plugin.name, plugin.failure, plugin.details)
            continue
        for gone in list(plugin.left_out):
            yield Checked(who, gone.item.kind, gone.item.name, gone.reason, gone.details)
        for item in list(plugin.provides):
            yield _tried(who, item.kind, item.name, partial(manager.build, item.kind, item.name, {}))
        yield from check_models(who, models(plugin))


def check_models(origin: str, models: Mapping[str, Attempt]) -> Iterator[Checked]:
    """Build models.

    Parameters
    ----------
    origin
        Who brings them: a distribution's name or a registry's path.
    models
        What builds each, by name.
    """
    for name, attempt in models.items():
        yield _tried(origin, "model", name, attempt)


def _tried(distribution: str, kind: str, name: str, attempt: Attempt) -> Checked:
    try:
        attempt()
    except Exception as error:
        reason = one_line(str(error)) if isinstance(error, SigzooError) else describe(error)
        return Checked(distribution, kind, name, reason.rstrip("."), full_traceback(error))
    return Checked(distribution, kind, name)
