"""Telling of failed plugins: once a process, a line on stderr, or an error where failures are errors."""

from __future__ import annotations

import os
import sys

from sigzoo.errors import PluginError
from sigzoo.plugins.components import Plugin, summary

__all__ = ["is_strict", "report", "report_unknown"]

_reported: set[str] = set()
"""Lines that this process has printed: several zoos meet the same broken plugin."""


def is_strict() -> bool:
    """Whether `SIGZOO_STRICT` asks for an error where a plugin fails."""
    return os.environ.get("SIGZOO_STRICT", "").strip().lower() not in ("", "0", "false", "no", "off")


def report(plugin: Plugin) -> None:
    """Tell of a plugin that was left out, whole or in part.

    Raises
    ------
    PluginError
        If ``SIGZOO_STRICT=1``.
    """
    who = f"Plugin {plugin.distribution} {plugin.version}"
    if plugin.failure is not None:
        line = f"{who} was left out: {plugin.failure}"
    else:
        line = f"{who} was left out in part: {summary(plugin.skipped)}"
    _report(line, f"`sigzoo plugins {plugin.distribution}`", plugin.details)


def report_unknown(name: str) -> None:
    """Tell of a name in `SIGZOO_PLUGINS` that nothing answers to; raises as `report` does."""
    _report(f"SIGZOO_PLUGINS names {name!r}, which no installed distribution or entry point is called")


def _report(line: str, where: str = "", details: str = "") -> None:
    """Print a line, or raise it: `where` is the command that shows more, `details` a traceback."""
    if not line.endswith("?"):
        line += "."
    if is_strict():
        more = f"; without that, {where} shows more" if where else ""
        error = PluginError(f"{line} (SIGZOO_STRICT is set{more}.)")
        if details:
            error.add_note(details)  # Python shows it below its own traceback, `--debug` does too
        raise error
    line = f"sigzoo: {line} See {where}." if where else f"sigzoo: {line}"
    if line not in _reported and sys.stderr is not None:  # None under pythonw, say
        _reported.add(line)
        print(line, file=sys.stderr)
