"""Loading one plugin: import, API version and hooks, guarded so that it can break nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from sigzoo.errors import PluginError
from sigzoo.plugins import hooks
from sigzoo.plugins.components import Plugin, describe, full_traceback
from sigzoo.plugins.containment import contained, raised_by_user
from sigzoo.plugins.discovery import Found
from sigzoo.plugins.kinds import API_VERSION, OLDEST_API
from sigzoo.plugins.plugin_code_guard import plugin_code_guard

__all__ = ["CORE", "load_builtin", "load_plugin", "now_loading"]

CORE = "sigzoo"
"""The distribution of the core, whose own parts register through the same hooks."""

_SLOW = 10.0
"""Seconds after which a plugin that is still loading is named: nothing else says who stalls a program."""

_log = logging.getLogger("sigzoo.plugins")
_names: list[str] = []


def now_loading() -> str | None:
    """The distribution whose plugin is being imported just now, by any thread."""
    return _names[-1] if _names else None


def load_builtin() -> Plugin:
    """Register the core's own runtimes, formats, sources, samplers and commands."""

    def module() -> ModuleType:
        from sigzoo.plugins import builtin

        return builtin

    from sigzoo import __version__

    return _loaded(Plugin("builtin", CORE, __version__), module)


def load_plugin(found: Found) -> Plugin:
    """Import an entry point and call its hooks; whatever it raises becomes the plugin's failure."""
    plugin = Plugin(found.name, found.distribution, found.version, found.installed)
    if found.entry_point is None:
        plugin.fail(found.problem, found.details)
        return plugin
    return _loaded(plugin, found.entry_point.load)


def _loaded(plugin: Plugin, load: Callable[[], Any]) -> Plugin:
    # What is logged here is found where a plugin ends the process: its name is known before its code runs.
    _log.debug("loading the plugin %s %s", plugin.distribution, plugin.version)
    try:
        with _named(plugin.distribution), plugin_code_guard():
            with contained():  # at once: what follows needs the built-in functions itself
                module = load()
            _check_api(plugin, module)
            with contained():
                hooks.collect(plugin, module)
    except PluginError as error:
        plugin.fail(str(error))
    except BaseException as error:  # a plugin may even call sys.exit at import
        if raised_by_user(error):
            raise
        plugin.fail(describe(error), full_traceback(error))
    return plugin


@contextmanager
def _named(distribution: str) -> Iterator[None]:
    """Say on the log who it is that loads for long."""
    slow = threading.Timer(
        _SLOW, _log.warning, ["the plugin %s has been loading for %.0f seconds", distribution, _SLOW]
    )
    slow.daemon = True
    _names.append(distribution)
    slow.start()
    try:
        yield
    finally:
        slow.cancel()
        _names.remove(distribution)


def _check_api(plugin: Plugin, module: Any) -> None:
    api = getattr(module, "SIGZOO_API", None)
    if not isinstance(api, int) or isinstance(api, bool):
        raise PluginError(f"it does not declare `SIGZOO_API = {API_VERSION}`")
    plugin.api = api
    if not OLDEST_API <= api <= API_VERSION:
        newer = "install a newer sigzoo" if api > API_VERSION else "install a newer release of it"
        raise PluginError(
            f"it was written for version {api} of sigzoo's plugin API; this sigzoo takes {OLDEST_API} to"
            f" {API_VERSION}: {newer}"
        )
