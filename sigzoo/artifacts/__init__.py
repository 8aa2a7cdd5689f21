"""Files from elsewhere: fetched, verified, kept; torch is never imported here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigzoo.artifacts.fetching import fetch, locate
    from sigzoo.artifacts.home import cache_home
    from sigzoo.artifacts.members import member
    from sigzoo.artifacts.progress import fetch_with_bar
    from sigzoo.artifacts.retry import Progress, Retry
    from sigzoo.artifacts.spec import ArtifactSpec

__all__ = ["ArtifactSpec", "Progress", "Retry", "cache_home", "fetch", "fetch_with_bar", "locate", "member"]

_HOME = {
    "ArtifactSpec": "spec",
    "Progress": "retry",
    "Retry": "retry",
    "cache_home": "home",
    "fetch": "fetching",
    "fetch_with_bar": "progress",
    "locate": "fetching",
    "member": "members",
}


def __getattr__(name: str) -> Any:
    """Import what the public names need on first use, so that reading a registry stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'sigzoo.artifacts' has no attribute {name!r}")
    value = getattr(import_module(f"sigzoo.artifacts.{_HOME[name]}"), name)
    globals()[name] = value
    return value
