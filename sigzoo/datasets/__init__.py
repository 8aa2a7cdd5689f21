"""Data sets: readers of published layouts, folders and npz files, and which of them a place belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.datasets.known import known_signatures, without_simple_forgeries
    from sigzoo.datasets.places import Found, find_source, open_data

__all__ = ["Found", "find_source", "known_signatures", "open_data", "without_simple_forgeries"]

__getattr__ = lazy_names(
    __name__,
    {
        "Found": "places",
        "find_source": "places",
        "known_signatures": "known",
        "open_data": "places",
        "without_simple_forgeries": "known",
    },
)
