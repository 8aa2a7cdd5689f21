"""The hooks of one plugin: which functions they are, and what they register when they are called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy

from sigzoo import hookspecs
from sigzoo.errors import PluginError
from sigzoo.plugins.components import Component, Plugin
from sigzoo.plugins.kinds import KINDS, MODELS_HOOK, Kind, kind_of_hook
from sigzoo.plugins.targets import TARGET
from sigzoo.registry.cards import NAME, is_option_name

_PREFIX = "sigzoo_register"


def collect(plugin: Plugin, module: Any) -> None:
    """Call the hooks of a plugin, and keep what they register.

    Parameters
    ----------
    plugin
        Is given what is registered.
    module
        What its entry point names: a module, or an object with methods.

    Raises
    ------
    PluginError
        If a hook would never be called, does something else than to register, or there is nothing
        that the plugin registers.
    """
    functions = _hook_functions(module)
    _call(plugin, functions)
    if plugin.provides or plugin.registries:
        return
    if functions:
        raise PluginError(f"it registers nothing: its {', '.join(functions)} did not call `register`")
    raise PluginError(
        "it registers nothing: it has no function marked with `@sigzoo.hookimpl`,"
        " such as sigzoo_register_backbones"
    )


def _hook_functions(module: Any) -> dict[str, Any]:
    """Functions that are hooks or were meant to be; found without running a lazy ``__getattr__``."""
    if isinstance(module, ModuleType):
        attributes = vars(module)
    else:
        attributes = {name: getattr(module, name, None) for name in dir(module)}
    return {name: value for name, value in attributes.items() if _is_hook(name, value)}


def _is_hook(name: str, value: Any) -> bool:
    """Whether an attribute is a hook; an error if it was meant to be one and is none."""
    if not inspect.isroutine(value):
        if not name.startswith(_PREFIX):
            return False
        raise PluginError(f"its {name} must be a function, and is of the type {type(value).__name__}")
    mark = getattr(value, "sigzoo_impl", None)
    if not isinstance(mark, dict) and not name.startswith("sigzoo_"):
        return False
    hook = (mark.get("specname") if isinstance(mark, dict) else None) or name
    if hook != MODELS_HOOK and kind_of_hook(hook) is None:
        if isinstance(mark, dict) and mark.get("optionalhook"):
            return False  # of a later version of the plugin API: pluggy's own way to be compatible
        near = get_close_matches(hook, [*(kind.hook for kind in KINDS.values()), MODELS_HOOK], n=1, cutoff=0)
        raise PluginError(f"it implements a hook {hook!r}, which does not exist; perhaps {near[0]} is meant")
    if not isinstance(mark, dict):
        raise PluginError(f"its {name} is not marked with `@sigzoo.hookimpl`, so it would never be called")
    if mark.get("wrapper") or mark.get("hookwrapper"):
        raise PluginError(f"its {name} is a wrapper of other hooks; mark it with `@sigzoo.hookimpl` alone")
    return True


def _call(plugin: Plugin, functions: Mapping[str, Any]) -> None:
    """Call the hooks of one plugin alone; pluggy judges their arguments."""
    alone = pluggy.PluginManager("sigzoo")
    alone.add_hookspecs(hookspecs)
    alone.register(SimpleNamespace(**functions))
    alone.check_pending()
    for kind in KINDS.values():
        _check_results(kind.hook, getattr(alone.hook, kind.hook)(register=_recorder(plugin, kind)))
    results = getattr(alone.hook, MODELS_HOOK)(register=_registry_recorder(plugin))
    _check_results(MODELS_HOOK, results)


def _check_results(hook: str, results: list[Any]) -> None:
    """Refuse what a hook returns: the body of a generator or a coroutine has not even run."""
    for result in results:
        if inspect.iscoroutine(result):
            result.close()  # or Python warns that nobody awaited it
        kind = type(result).__name__
        raise PluginError(
            f"its {hook} returns an object of the type {kind}; a hook is an ordinary function that calls"
            " `register` and returns None, without `yield`, without `async`"
        )


def _recorder(plugin: Plugin, kind: Kind) -> Callable[..., None]:
    def register(name: str, target: str, /, **defaults: Any) -> None:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise PluginError(
                f"a {kind.label}'s name is lower-case letters and digits, joined by '.', '-' or '_';"
                f" got {name!r}"
            )
        if not isinstance(target, str) or not TARGET.fullmatch(target):
            raise PluginError(
                f"the target of {kind.label} {name!r} must look like 'package.module:Name', got {target!r}"
            )
        if any((each.kind, each.name) == (kind.name, name) for each in plugin.provides):
            raise PluginError(f"it registers the {kind.label} {name!r} twice")
        for key in defaults:
            if not is_option_name(key):
                raise PluginError(f"the {kind.label} {name!r} has an option {key!r}, no identifier")
        if defaults and kind.is_object:
            raise PluginError(f"the {kind.label} {name!r} is an object, which takes no default options")
        plugin.provides.append(Component(kind.name, name, target, defaults, plugin.distribution))

    return register


def _registry_recorder(plugin: Plugin) -> Callable[[str | Path], None]:
    def register(path: str | Path, /) -> None:
        plugin.registries.append(Path(path))

    return register
