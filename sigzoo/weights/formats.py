"""The weight formats that plugins provide, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.errors import PluginError, UnknownNameError
from sigzoo.interfaces.weight_formats import WeightFormat

if TYPE_CHECKING:
    from sigzoo.zoo import Zoo

__all__ = ["all_formats", "find_format"]


def find_format(name: str, zoo: Zoo | None = None) -> WeightFormat:
    """The format of a name.

    Raises
    ------
    UnknownNameError
        If no installed plugin provides it; with the nearest names.
    PluginError
        If its plugin is broken.
    """
    from sigzoo.zoo import resolve_zoo

    found: WeightFormat = resolve_zoo(zoo).build("weight_format", name)
    return found


def all_formats(zoo: Zoo | None = None) -> dict[str, WeightFormat]:
    """Every format whose plugin works, the core's own first, then in the order of their names."""
    from sigzoo.zoo import resolve_zoo

    known = resolve_zoo(zoo)
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
