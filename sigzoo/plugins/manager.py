"""Loading and judging plugins: one at a time, each guarded, none able to break the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sigzoo.errors import PluginError, UnknownNameError
from sigzoo.plugins import construction, hooks
from sigzoo.plugins.components import (
    API_VERSION,
    Kind,
    LeftOut,
    Plugin,
    Provided,
    describe,
    full_traceback,
    normalise,
)
from sigzoo.plugins.discovery import Found
from sigzoo.plugins.plugin_code_guard import foreign_code
from sigzoo.plugins.targets import missing, resolve


class PluginManager:
    """All plugins of one process, healthy and failed.

    Attributes
    ----------
    plugins
        In order of precedence.
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
        ordered = sorted(found, key=self._precedence)
        self.plugins: list[Plugin] = [_load(each) for each in ordered]
        self._settle_names()
        for plugin in self.plugins:
            _drop_missing(plugin)

    def _precedence(self, found: Found) -> tuple[bool, str, str]:
        """Order of loading: whoever the core's registry names first, so that nobody can take their names."""
        return found.distribution not in self._owners.values(), found.distribution, found.name

    def _settle_names(self) -> None:
        """Let nobody win silently: who claims a name that is taken is left out, and told so."""
        taken: dict[tuple[Kind, str], Provided] = {}
        for plugin in self.plugins:
            conflict = next(filter(None, (self._conflict(item, taken) for item in plugin.provides)), None)
            if conflict:
                plugin.fail(conflict)
            taken.update({(item.kind, item.name): item for item in plugin.provides})

    def _conflict(self, item: Provided, taken: Mapping[tuple[Kind, str], Provided]) -> str | None:
        owner = self._owners.get(f"{item.kind} {item.name}")
        if owner is not None and owner != item.distribution:
            return f"the {item.kind} name {item.name!r} belongs to {owner}"
        holder = taken.get((item.kind, item.name))
        if holder is None:
            return None
        whose = (
            "another of its entry points" if holder.distribution == item.distribution else holder.distribution
        )
        return (
            f"the {item.kind} name {item.name!r} is taken by {whose};"
            " uninstall one, or choose with SIGZOO_PLUGINS"
        )

    def provided(self, kind: Kind) -> dict[str, Provided]:
        """Everything of one kind that can be used, by name."""
        return {item.name: item for plugin in self.plugins for item in plugin.provides if item.kind == kind}

    def withheld(self, kind: str, name: str) -> tuple[Plugin, LeftOut] | None:
        """What was left out under a name, and by whom it was to be provided; `None` if nothing was."""
        for plugin in self.plugins:
            for each in plugin.left_out:
                if (each.item.kind, each.item.name) == (kind, name):
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

    def find(self, kind: Kind, name: str) -> type[Any]:
        """Import the class behind a name; one that cannot be imported is left out from then on.

        Raises
        ------
        UnknownNameError
            If no plugin provides it.
        PluginError
            If it was left out, cannot be imported or is not of the right kind.
        """
        known = self.provided(kind)
        if name not in known:
            gone = self.withheld(kind, name)
            if gone is not None:
                plugin, entry = gone
                raise PluginError(
                    f"The {kind} {name!r} of {plugin.distribution} {plugin.version} was left out:"
                    f" {entry.reason}. See `sigzoo plugins {plugin.distribution}`."
                )
            raise UnknownNameError(kind, name, known, "`sigzoo plugins` shows who provides what.")
        try:
            return resolve(known[name])
        except PluginError as error:
            for plugin in self.plugins:
                if known[name] in plugin.provides:
                    plugin.leave_out(known[name], str(error), full_traceback(error))
            raise

    def build(self, kind: Kind, name: str, options: Mapping[str, Any]) -> Any:
        """Build what a name stands for, with the plugin's defaults overridden by `options`.

        Raises
        ------
        UnknownNameError
            If no plugin provides it.
        PluginError
            If it was left out, cannot be imported, or fails while it is built.
        UsageError
            If the class does not take the options.
        """
        target = self.find(kind, name)
        item = self.provided(kind)[name]
        return construction.build(item, target, options)


def _load(found: Found) -> Plugin:
    plugin = Plugin(found.name, found.distribution, found.version)
    if found.entry_point is None:
        plugin.fail(found.problem, found.details)
        return plugin
    try:
        with foreign_code():
            module = found.entry_point.load()
            _check_api(plugin, module)
            hooks.collect(plugin, module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except PluginError as error:
        plugin.fail(str(error))
    except BaseException as error:  # a plugin may even call sys.exit at import
        plugin.fail(describe(error), full_traceback(error))
    return plugin


def _check_api(plugin: Plugin, module: Any) -> None:
    api = getattr(module, "SIGZOO_API", None)
    if not isinstance(api, int) or isinstance(api, bool):
        raise PluginError(f"it does not declare `SIGZOO_API = {API_VERSION}`")
    plugin.api = api
    if api != API_VERSION:
        raise PluginError(f"it was written for version {api} of sigzoo's interfaces; this is {API_VERSION}")


def _drop_missing(plugin: Plugin) -> None:
    for item in list(plugin.provides):
        reason = missing(item.target)
        if reason:
            plugin.leave_out(item, f"its target {item.target} does not exist: {reason}")
