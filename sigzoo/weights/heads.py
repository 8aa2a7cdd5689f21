"""Backbone and heads in one set of names: ``backbone.*``, ``head.writer.weight``, ``head.forgery.bias``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from sigzoo.common.messages import quoted
from sigzoo.errors import WeightsError

__all__ = ["HEADS", "has_heads", "split_heads"]

HEADS = ("writer", "forgery")

T = TypeVar("T")


def split_heads(tensors: Mapping[str, T], where: str) -> tuple[dict[str, T], dict[str, dict[str, T]]]:
    """Divide tensors by the prefixes ``backbone.`` and ``head.<name>.``.

    A file without any ``backbone.`` is a backbone's state dict, whatever its names begin with.

    Raises
    ------
    WeightsError
        If a name is neither the backbone's nor a head's, where others are; names it and the file.
    """
    if not any(key.startswith("backbone.") for key in tensors):
        return dict(tensors), {}
    found: dict[str, T] = {}
    heads: dict[str, dict[str, T]] = {}
    for key, value in tensors.items():
        group, _, rest = key.partition(".")
        if group == "backbone" and rest:
            found[rest] = value
        elif _is_head(key):
            head, _, part = rest.partition(".")
            heads.setdefault(head, {})[part] = value
        else:
            raise WeightsError(
                f"{where}: {quoted(key)} is neither the backbone's (backbone.*) nor a head's "
                "(head.writer.weight, head.forgery.bias, ...)."
            )
    return found, heads


def has_heads(names: Collection[str]) -> bool:
    """Whether all names are a backbone's or a head's, and there are some of each."""
    heads = sum(_is_head(name) for name in names)
    return 0 < heads < len(names) and all(name.startswith("backbone.") or _is_head(name) for name in names)


def _is_head(name: str) -> bool:
    group, _, rest = name.partition(".")
    head, _, part = rest.partition(".")
    return group == "head" and head in HEADS and part in ("weight", "bias")
