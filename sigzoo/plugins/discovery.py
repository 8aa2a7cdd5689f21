"""Finding the plugins that are installed; a damaged installation is a finding too, never an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sigzoo.plugins.components import describe, full_traceback, normalise

GROUP = "sigzoo"
_SECTION = re.compile(rf"^\s*\[\s*{GROUP}\s*\]", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """An entry point that an installed distribution declares, not loaded yet."""

    entry_point: metadata.EntryPoint | None
    """`None` where the distribution's own records cannot be read."""
    distribution: str
    version: str
    problem: str = ""
    details: str = ""
    installed: float = 0.0
    """When the distribution was installed, in seconds since the epoch; 0 where that is not known."""

    @property
    def name(self) -> str:
        """The entry point's name."""
        return self.entry_point.name if self.entry_point else "?"


def discover() -> list[Found]:
    """List the entry points of all installed distributions, each distribution once.

    Unlike `importlib.metadata.entry_points` it survives a distribution whose records are damaged.
    """
    found: list[Found] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        if not _is_plugin(distribution):
            continue
        name, version = _origin(distribution)
        if name not in seen:  # the first on the path is the one that Python imports
            seen.add(name)
            found += _entry_points(distribution, name, version)
    return found


def _is_plugin(distribution: metadata.Distribution) -> bool:
    """Whether a distribution declares plugins, or may do so: nobody knows if the file cannot be read."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:
        return _may_be_plugin(distribution)
    return _SECTION.search(text) is not None


def _may_be_plugin(distribution: metadata.Distribution) -> bool:
    """Look for the group's name in a file that is not UTF-8; other packages' damage is not told of."""
    try:
        content = (Path(str(getattr(distribution, "_path"))) / "entry_points.txt").read_bytes()  # noqa: B009
    except (AttributeError, OSError, ValueError):
        return True
    plain = content.lstrip(b"\xff\xfe").replace(b"\0", b"")  # so UTF-16 reads as ASCII does
    return _SECTION.search(plain.decode("latin-1")) is not None


def _entry_points(distribution: metadata.Distribution, name: str, version: str) -> list[Found]:
    try:
        installed = _installed(distribution)
        return [
            Found(each, name, version, installed=installed)
            for each in distribution.entry_points
            if each.group == GROUP
        ]
    except Exception as error:
        problem = f"its entry_points.txt cannot be read ({describe(error)})"
        return [Found(None, name, version, problem, full_traceback(error))]


def _installed(distribution: metadata.Distribution) -> float:
    """When an installer wrote the distribution's records."""
    with suppress(AttributeError, OSError, ValueError):
        return (Path(str(getattr(distribution, "_path"))) / "METADATA").stat().st_mtime  # noqa: B009
    return 0.0


def _origin(distribution: metadata.Distribution) -> tuple[str, str]:
    name: str | None = None
    version: str | None = None
    with suppress(Exception):  # left over by an uninstallation that was cut, say
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
    if not name:
        folder = Path(str(getattr(distribution, "_path", "unknown"))).stem
        name, _, from_folder = folder.partition("-")
        version = version or from_folder
    return normalise(str(name)), str(version or "?")


def chosen_plugins() -> tuple[str, ...] | None:
    """What `SIGZOO_PLUGINS` allows; `None` where it is not set, so that all plugins are used."""
    chosen = os.environ.get("SIGZOO_PLUGINS")
    return None if chosen is None else tuple(chosen.split(","))


def allowed(found: Iterable[Found], chosen: Iterable[str] | None) -> tuple[list[Found], list[str]]:
    """Keep what is chosen, by distribution or entry point name.

    Returns
    -------
    kept
        All of `found` where `chosen` is `None`.
    unknown
        Chosen names that nothing answers to.
    """
    found = list(found)
    if chosen is None:
        return found, []
    names = {normalise(name.strip()): name.strip() for name in chosen if name.strip()}
    called = [({each.distribution, normalise(each.name)}, each) for each in found]
    kept = [each for own, each in called if own & set(names)]
    known = set().union(*(own for own, _ in called))
    return kept, [name for key, name in names.items() if key not in known]
