"""Plugins: who ships backbones, preprocessors, losses and models, and building them by name."""

from __future__ import annotations

import os
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from sigzoo.errors import PluginError
from sigzoo.plugins.components import API_VERSION, KINDS, Kind, LeftOut, Plugin, Provided, normalise
from sigzoo.plugins.discovery import allowed, discover
from sigzoo.plugins.manager import PluginManager
from sigzoo.plugins.targets import resolve
from sigzoo.registry.core import component_owners

if TYPE_CHECKING:
    from sigzoo.interfaces import Backbone, Loss, Preprocessor

__all__ = [
    "API_VERSION",
    "KINDS",
    "Kind",
    "LeftOut",
    "Plugin",
    "PluginManager",
    "Provided",
    "backbone",
    "forget",
    "is_strict",
    "loss",
    "manager",
    "normalise",
    "preprocessor",
    "report",
    "resolve",
]


def is_strict() -> bool:
    """Whether `SIGZOO_STRICT` asks for an error where a plugin fails."""
    return os.environ.get("SIGZOO_STRICT", "").strip().lower() not in ("", "0", "false", "no", "off")


_lock = threading.RLock()
_loading = False


def manager() -> PluginManager:
    """The plugins of this process, loaded once.

    A failed plugin is told once, in a line on stderr; `sigzoo plugins` shows it in full.

    Raises
    ------
    PluginError
        If a plugin failed and ``SIGZOO_STRICT=1``, or if a plugin asks for plugins at its import.
    """
    with _lock:
        if _loading:
            raise PluginError("it asks sigzoo for models or plugins while it is being imported itself")
        return _manager()


@cache
def _manager() -> PluginManager:
    global _loading
    owners = component_owners()
    found, unknown = allowed(discover())
    _loading = True
    try:
        loaded = PluginManager(found, owners)
    finally:
        _loading = False
    for name in unknown:
        _tell(f"SIGZOO_PLUGINS names {name!r}, which no installed distribution or entry point is called")
    for plugin in loaded.plugins:
        if not plugin.healthy:
            report(plugin)
    return loaded


def forget() -> None:
    """Find and load plugins anew when they are next asked for; for tests that install some."""
    _manager.cache_clear()


def report(plugin: Plugin) -> None:
    """Tell of a failed plugin: one line on stderr, or an error where failures are errors.

    Raises
    ------
    PluginError
        If ``SIGZOO_STRICT=1``.
    """
    if plugin.failure is not None:
        line = f"Plugin {plugin.distribution} {plugin.version} was left out: {plugin.failure}"
    else:
        entries = "; ".join(f"the {each.item}: {each.reason}" for each in plugin.left_out)
        line = f"Plugin {plugin.distribution} {plugin.version} was left out in part: {entries}"
    _tell(line, f"`sigzoo plugins {plugin.distribution}`", plugin.details)


def _tell(line: str, where: str = "", details: str = "") -> None:
    """Print a line, or raise it: `where` is the command that shows more, `details` a traceback."""
    if not line.endswith("?"):
        line += "."
    if is_strict():
        more = f"; without that, {where} shows more" if where else ""
        error = PluginError(f"{line} (SIGZOO_STRICT is set{more}.)")
        if details:
            error.add_note(details)  # Python shows it below its own traceback, `--debug` does too
        raise error
    print(f"sigzoo: {line} See {where}." if where else f"sigzoo: {line}", file=sys.stderr)


def backbone(name: str, **options: Any) -> Backbone:
    """Build a backbone with random weights: ``sigzoo.backbone("signet")``.

    Raises
    ------
    UnknownNameError
        If no installed plugin provides it; with the nearest names.
    PluginError
        If its plugin is broken.
    UsageError
        If it does not take the options.
    """
    built: Backbone = manager().build("backbone", name, options)
    return built


def preprocessor(name: str, **options: Any) -> Preprocessor:
    """Build a preprocessor: ``sigzoo.preprocessor("signet-2017", canvas=(952, 1360))``.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        As `backbone` does.
    """
    built: Preprocessor = manager().build("preprocessor", name, options)
    return built


def loss(name: str, **options: Any) -> Loss:
    """Build a loss: ``sigzoo.loss("signet-f", forgery_weight=0.95)``.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        As `backbone` does.
    """
    built: Loss = manager().build("loss", name, options)
    return built
