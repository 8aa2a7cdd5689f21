"""Loading and judging plugins: one at a time, each guarded, none able to break the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy

from sigzoo import hookspecs
from sigzoo.errors import PluginError, SigzooError, UnknownNameError, UsageError
from sigzoo.plugins.discovery import Found
from sigzoo.plugins.records import (
    API_VERSION,
    Kind,
    LeftOut,
    Plugin,
    Provided,
    describe,
    foreign_code,
    full_traceback,
    normalise,
)
from sigzoo.plugins.targets import TARGET, missing, resolve
from sigzoo.registry.cards import NAME

_HOOKS: dict[str, Kind] = {
    "sigzoo_register_backbones": "backbone",
    "sigzoo_register_preprocessors": "preprocessor",
    "sigzoo_register_losses": "loss",
}
_MODELS_HOOK = "sigzoo_register_models"


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
        arguments = {**item.defaults, **options}
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no options"
        try:
            with foreign_code():
                return target(**arguments)
        except (KeyboardInterrupt, GeneratorExit, SigzooError):
            raise
        except (TypeError, ValueError) as error:
            raise UsageError(f"The {item} cannot be built with {given}: {error}.") from error
        except BaseException as error:
            raise PluginError(
                f"The {item} of {item.distribution} cannot be built with {given}: {describe(error)}."
            ) from error


def _load(found: Found) -> Plugin:
    plugin = Plugin(found.name, found.distribution, found.version)
    if found.entry_point is None:
        plugin.fail(found.problem, found.details)
        return plugin
    try:
        with foreign_code():
            module = found.entry_point.load()
            _check_api(plugin, module)
            _collect(plugin, _hook_functions(module))
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


def _hook_functions(module: Any) -> dict[str, Any]:
    """Functions that are hooks or were meant to be; found without running a lazy ``__getattr__``."""
    if isinstance(module, ModuleType):
        functions = vars(module)
    else:
        functions = {name: getattr(module, name, None) for name in dir(module)}
    known = {*_HOOKS, _MODELS_HOOK}
    hooks = {}
    for name, function in functions.items():
        if not inspect.isroutine(function):
            continue
        mark = getattr(function, "sigzoo_impl", None)
        marked = isinstance(mark, dict)
        if not marked and not name.startswith("sigzoo_"):
            continue
        hook = (mark.get("specname") if isinstance(mark, dict) else None) or name
        if hook not in known:
            near = get_close_matches(hook, known, n=1, cutoff=0)
            raise PluginError(
                f"it implements a hook {hook!r}, which does not exist; perhaps {near[0]} is meant"
            )
        if not marked:
            raise PluginError(
                f"its {name} is not marked with `@sigzoo.hookimpl`, so it would never be called"
            )
        hooks[name] = function
    return hooks


def _collect(plugin: Plugin, functions: Mapping[str, Any]) -> None:
    """Call the hooks of one plugin alone; pluggy judges their arguments."""
    alone = pluggy.PluginManager("sigzoo")
    alone.add_hookspecs(hookspecs)
    alone.register(SimpleNamespace(**functions))
    alone.check_pending()
    for hook, kind in _HOOKS.items():
        getattr(alone.hook, hook)(register=_recorder(plugin, kind))
    getattr(alone.hook, _MODELS_HOOK)(register=_registry_recorder(plugin))


def _recorder(plugin: Plugin, kind: Kind) -> Callable[..., None]:
    def register(name: str, target: str, /, **defaults: Any) -> None:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise PluginError(
                f"a {kind}'s name is lower-case letters and digits, joined by '.', '-' or '_'; got {name!r}"
            )
        if not isinstance(target, str) or not TARGET.fullmatch(target):
            raise PluginError(
                f"the target of {kind} {name!r} must look like 'package.module:Name', got {target!r}"
            )
        if any((item.kind, item.name) == (kind, name) for item in plugin.provides):
            raise PluginError(f"it registers the {kind} {name!r} twice")
        plugin.provides.append(Provided(kind, name, target, defaults, plugin.distribution))

    return register


def _registry_recorder(plugin: Plugin) -> Callable[[str | Path], None]:
    def register(path: str | Path, /) -> None:
        plugin.registries.append(Path(path))

    return register


def _drop_missing(plugin: Plugin) -> None:
    for item in list(plugin.provides):
        reason = missing(item.target)
        if reason:
            plugin.leave_out(item, f"its target {item.target} does not exist: {reason}")
