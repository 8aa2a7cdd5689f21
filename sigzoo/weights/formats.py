"""The weight formats that plugins provide, by name."""

from __future__ import annotations

from sigzoo.default import resolve
from sigzoo.errors import PluginError, UnknownNameError
from sigzoo.installed import Installed
from sigzoo.interfaces.weight_formats import WeightFormat

__all__ = ["all_formats", "find_format"]


def find_format(name: str, zoo: Installed | None = None) -> WeightFormat:
    """The format of a name.

    Raises
    ------
    UnknownNameError
        If no installed plugin provides it; with the nearest names.
    PluginError
        If its plugin is broken.
    """
    found: WeightFormat = resolve(zoo).build("weight_format", name)
    return found


def all_formats(zoo: Installed | None = None) -> dict[str, WeightFormat]:
    """Every format whose plugin works, the core's own first, then in the order of their names."""
    known = resolve(zoo)
    first = ("safetensors", "torch-tuple", "torch")
    names = known.list_components("weight_format")
    found: dict[str, WeightFormat] = {}
    for name in sorted(names, key=lambda each: first.index(each) if each in first else len(first)):
        try:
            found[name] = find_format(name, known)
        except (PluginError, UnknownNameError):
            # Told by `sigzoo plugins`; a format that is broken recognises nothing.
            continue
    return found
