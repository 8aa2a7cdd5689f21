"""Lazy targets, ``"package.module:Name"``: whether they can be there, and importing them."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from sigzoo.errors import PluginError
from sigzoo.plugins.components import Component, describe
from sigzoo.plugins.containment import raised_by_user
from sigzoo.plugins.kinds import KINDS
from sigzoo.plugins.plugin_code_guard import plugin_code_guard

TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def missing(target: str) -> str | None:
    """Say why a target cannot be there, as far as that is known without importing its module.

    The check costs a look into a folder or two; importing would bring torch.
    """
    module_name, _, attribute = target.partition(":")
    module = sys.modules.get(module_name)
    if module is not None:
        here = vars(module)
        return None if attribute in here or "__getattr__" in here else f"{module_name} has no {attribute}"
    if _has_spec(module_name):
        return None
    try:  # a package may bend its __path__ while it is imported: only Python itself knows then
        with plugin_code_guard():
            found = importlib.util.find_spec(module_name) is not None
    except BaseException as error:
        if raised_by_user(error):
            raise
        return f"{module_name} cannot be found ({describe(error)})"
    return None if found else f"there is no module {module_name}"


def _has_spec(name: str) -> bool:
    """Whether the import system finds a module, asked without importing its parents."""
    path: Sequence[str] | None = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        full = ".".join(parts[:depth])
        loaded = sys.modules.get(full)
        if loaded is not None:
            path = getattr(loaded, "__path__", None)
        else:
            spec = _find_spec(full, path)
            if spec is None:
                return False
            path = spec.submodule_search_locations
        if path is None and depth < len(parts):
            return False
    return True


def _find_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, path) if find else None
        if spec is not None:
            found: ModuleSpec = spec
            return found
    return None


def resolve(component: Component) -> Any:
    """Import a lazy target and check that it is of its kind: a subclass of the interface, or an instance.

    Raises
    ------
    PluginError
        If it cannot be imported, does not exist or is of another kind.
    """
    who = f"The {component} of {component.distribution}"
    target = _imported(component.target, who)
    kind = KINDS[component.kind]
    interface: type[Any] = _imported(kind.interface, f"The interface of {kind.label}s")
    if kind.is_object and isinstance(target, interface):
        return target
    if not kind.is_object and isinstance(target, type) and issubclass(target, interface):
        return target
    wanted = "an instance" if kind.is_object else "a subclass"
    home = interface.__module__
    shown = "sigzoo.interfaces" if home.startswith("sigzoo.interfaces.") else home.partition(".")[0]
    raise PluginError(f"{who}: {component.target} is not {wanted} of {shown}.{interface.__name__}.")


def _imported(target: str, who: str) -> Any:
    module_name, _, attribute = target.partition(":")
    try:
        with plugin_code_guard():
            module: ModuleType = importlib.import_module(module_name)
            return getattr(module, attribute)
    except BaseException as error:
        if raised_by_user(error):
            raise
        raise PluginError(f"{who} cannot be imported from {target}: {describe(error)}.") from error
