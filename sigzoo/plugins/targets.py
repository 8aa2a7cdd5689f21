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
from sigzoo.plugins.components import Provided, describe
from sigzoo.plugins.plugin_code_guard import foreign_code

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
        with foreign_code():
            found = importlib.util.find_spec(module_name) is not None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
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


def resolve(item: Provided) -> type[Any]:
    """Import a lazy target and check that it is a class of the right kind.

    Raises
    ------
    PluginError
        If it cannot be imported, does not exist or implements another interface.
    """
    from sigzoo import interfaces

    module_name, _, attribute = item.target.partition(":")
    who = f"The {item} of {item.distribution}"
    try:
        with foreign_code():
            module: ModuleType = importlib.import_module(module_name)
            target = getattr(module, attribute)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise PluginError(f"{who} cannot be imported from {item.target}: {describe(error)}.") from error
    wanted = {
        "backbone": interfaces.Backbone,
        "preprocessor": interfaces.Preprocessor,
        "loss": interfaces.Loss,
    }
    base: type[Any] = wanted[item.kind]
    if not (isinstance(target, type) and issubclass(target, base)):
        raise PluginError(f"{who}: {item.target} is not a subclass of sigzoo.interfaces.{base.__name__}.")
    return target
