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
from sigzoo.plugins.components import Kind, Plugin, Provided
from sigzoo.plugins.targets import TARGET
from sigzoo.registry.cards import NAME

_HOOKS: dict[str, Kind] = {
    "sigzoo_register_backbones": "backbone",
    "sigzoo_register_preprocessors": "preprocessor",
    "sigzoo_register_losses": "loss",
}
_MODELS_HOOK = "sigzoo_register_models"
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
    known = {*_HOOKS, _MODELS_HOOK}
    if not inspect.isroutine(value):
        if not name.startswith(_PREFIX):
            return False
        raise PluginError(f"its {name} must be a function, and is of the type {type(value).__name__}")
    mark = getattr(value, "sigzoo_impl", None)
    if not isinstance(mark, dict) and not name.startswith("sigzoo_"):
        return False
    hook = (mark.get("specname") if isinstance(mark, dict) else None) or name
    if hook not in known:
        near = get_close_matches(hook, known, n=1, cutoff=0)
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
    for hook, kind in _HOOKS.items():
        _check_results(hook, getattr(alone.hook, hook)(register=_recorder(plugin, kind)))
    results = getattr(alone.hook, _MODELS_HOOK)(register=_registry_recorder(plugin))
    _check_results(_MODELS_HOOK, results)


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
