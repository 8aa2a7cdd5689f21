"""The plugins of one zoo: which are there, who keeps a name that two claim, and what stands behind a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sigzoo.errors import PluginError, UnknownNameError
from sigzoo.plugins import construction
from sigzoo.plugins.components import (
    Component,
    Plugin,
    SkippedComponent,
    full_traceback,
    normalise,
)
from sigzoo.plugins.discovery import Found
from sigzoo.plugins.kinds import KINDS
from sigzoo.plugins.loader import load_builtin, load_plugin
from sigzoo.plugins.targets import missing, resolve


class PluginManager:
    """All plugins of one zoo, healthy and failed.

    Attributes
    ----------
    plugins
        In order of precedence; the core's own parts come first.
    """

    def __init__(self, found: Iterable[Found], owners: Mapping[str, str]) -> None:
        """Load plugins.

        Parameters
        ----------
        found
            Entry points in any order; they are loaded in an order that does not depend on it.
        owners
            ``"kind name"`` -> distribution to which the core's registry attributes that name: of
            two plugins that claim it, that one keeps it.
        """
        self._owners = owners
        self.plugins: list[Plugin] = [load_builtin()]
        self.plugins += [load_plugin(each) for each in sorted(found, key=self._precedence)]
        # A claim on a name counts only where something stands behind it: before names are settled.
        for plugin in self.plugins:
            _skip_missing(plugin)
        self._settle_names()

    def _precedence(self, found: Found) -> tuple[bool, float, str, str]:
        """Order of loading: whom the core's registry names, then whoever was installed first."""
        known = found.distribution in self._owners.values()
        return not known, 0.0 if known else found.installed, found.distribution, found.name

    def _settle_names(self) -> None:
        """Let nobody win silently: who claims a name that is taken is left out, and told so."""
        taken: dict[tuple[str, str], Component] = {}
        for plugin in self.plugins:
            conflict = next(filter(None, (self._conflict(each, taken) for each in plugin.provides)), None)
            if conflict:
                plugin.fail(conflict)
            taken.update({(each.kind, each.name): each for each in plugin.provides})

    def _conflict(self, claimed: Component, taken: Mapping[tuple[str, str], Component]) -> str | None:
        owner = self._owners.get(f"{claimed.kind} {claimed.name}")
        label = KINDS[claimed.kind].label
        if owner is not None and owner != claimed.distribution:
            return f"the {label} name {claimed.name!r} belongs to {owner}"
        holder = taken.get((claimed.kind, claimed.name))
        if holder is None:
            return None
        whose = (
            "another of its entry points"
            if holder.distribution == claimed.distribution
            else f"{holder.distribution}, which was there first"
        )
        return (
            f"the {label} name {claimed.name!r} is taken by {whose};"
            " uninstall one, or choose with SIGZOO_PLUGINS"
        )

    def provided(self, kind: str) -> dict[str, Component]:
        """Everything of one kind that can be used, by name."""
        return {each.name: each for plugin in self.plugins for each in plugin.provides if each.kind == kind}

    def find_skipped(self, kind: str, name: str) -> tuple[Plugin, SkippedComponent] | None:
        """What was left out under a name, and by whom it was to be provided; `None` if nothing was."""
        for plugin in self.plugins:
            for each in plugin.skipped:
                if (each.component.kind, each.component.name) == (kind, name):
                    return plugin, each
        return None

    def of_distribution(self, name: str) -> list[Plugin]:
        """Plugins by their distribution's or entry point's name, in any spelling.

        Raises
        ------
        UnknownNameError
            If none is called so.
        """
        wanted = normalise(name)
        chosen = [each for each in self.plugins if wanted in (each.distribution, normalise(each.name))]
        if not chosen:
            raise UnknownNameError("plugin", name, [each.distribution for each in self.plugins])
        return chosen

    def find(self, kind: str, name: str) -> Any:
        """Import what is behind a name; what cannot be imported is left out from then on.

        Raises
        ------
        UnknownNameError
            If no plugin provides it, or there is no such kind.
        PluginError
            If it was left out, cannot be imported or is not of the right kind.
        """
        component = self._component(kind, name)
        try:
            return resolve(component)
        except PluginError as error:
            for plugin in self.plugins:
                if component in plugin.provides:
                    plugin.skip(component, str(error), full_traceback(error))
            raise

    def _component(self, kind: str, name: str) -> Component:
        if kind not in KINDS:
            raise UnknownNameError("kind", kind, KINDS)
        known = self.provided(kind)
        if name in known:
            return known[name]
        label = KINDS[kind].label
        skipped = self.find_skipped(kind, name)
        if skipped is not None:
            plugin, entry = skipped
            raise PluginError(
                f"The {label} {name!r} of {plugin.distribution} {plugin.version} was left out:"
                f" {entry.reason}. See `sigzoo plugins {plugin.distribution}`."
            )
        raise UnknownNameError(label, name, known, "`sigzoo plugins` shows who provides what.")

    def build(self, kind: str, name: str, options: Mapping[str, Any]) -> Any:
        """Build what a name stands for, with the plugin's defaults overridden by `options`.

        A preset or a command is an object already; it is given as it is.

        Raises
        ------
        UnknownNameError
            If no plugin provides it.
        PluginError
            If it was left out, cannot be imported, or fails while it is built.
        UsageError
            If it does not take the options.
        """
        component = self._component(kind, name)
        target = self.find(kind, name)
        if KINDS[kind].is_object:
            return target
        return construction.build(component, target, options)


def _skip_missing(plugin: Plugin) -> None:
    for component in list(plugin.provides):
        reason = missing(component.target)
        if reason:
            plugin.skip(component, f"its target {component.target} does not exist: {reason}")
