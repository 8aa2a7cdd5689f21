"""Places of data: which data source a path or ``NAME:...`` belongs to, and opening it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sigzoo.common.messages import counted
from sigzoo.datasets.completeness import Completeness, below
from sigzoo.datasets.layout import PublishedFiles
from sigzoo.datasets.synthetic import SyntheticSource
from sigzoo.default import default
from sigzoo.errors import DataError, SigzooWarning, UnknownNameError, UsageError
from sigzoo.interfaces.data_sources import DataSource, SignatureSet

__all__ = ["Found", "find_source", "open_data"]

_NAMED = 3
"""Files left out that a warning names."""


@dataclass(frozen=True)
class Found:
    """What a place was found to hold, to be told before training."""

    place: str
    source: str
    """Name of the data source."""
    writers: int
    genuine: int
    forged: int
    completeness: Completeness | None = None
    """How a published data set compares with its publication."""

    def __str__(self) -> str:
        genuine = counted(self.genuine, "genuine signature")
        return (
            f"{self.place}: {counted(self.writers, 'writer')}, {genuine} and"
            f" {counted(self.forged, 'forgery', 'forgeries')} (read as: {self.source}){self._missing()}"
        )

    def _missing(self) -> str:
        """What is not there, in a few words."""
        known = self.completeness
        lines = [] if known is None else [*replace(known, left_out=()).lines()]
        if not lines:
            return ""
        more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
        return f"; not as published: {lines[0]}{more} (`sigzoo dataset inspect` tells all)"


def find_source(place: str) -> tuple[str, DataSource, str]:
    """The data source that a place belongs to: its name, itself, and what it is to open.

    Parameters
    ----------
    place
        A path, or ``NAME:...`` for the data source of that name.

    Returns
    -------
    name, source, place
        Of the three the last is what ``source.open`` takes.

    Raises
    ------
    DataError
        If no source recognises the place.
    UsageError
        If several do.
    """
    sources = _sources()
    name, colon, rest = place.partition(":")
    if colon and name in sources and not _exists(place):
        return name, sources[name], rest
    known = [each for each, source in sources.items() if not source.general and source.recognises(place)]
    known = known or [each for each, source in sources.items() if source.general and source.recognises(place)]
    if len(known) > 1:
        raise UsageError(
            f"{place}: {' and '.join(known)} recognise it. Say which reads it: {known[0]}:{place}, for one."
        )
    if known:
        return known[0], sources[known[0]], place
    if colon and not _exists(place) and "/" not in name and "\\" not in name and len(name) > 1:
        raise UnknownNameError("data source", name, sources)
    examples = list(dict.fromkeys(source.example for source in sources.values() if source.general))
    what = "is neither a folder nor an .npz file" if _exists(place) else "does not exist"
    raise DataError(
        f"{place} {what}. Signatures come from {', '.join(examples)}, or {SyntheticSource.example}; `sigzoo"
        " plugins` lists all data sources."
    )


def open_data(place: str) -> tuple[SignatureSet, Found]:
    """Open a place, and say what was found there.

    Parameters
    ----------
    place
        A path, or ``NAME:...`` for the data source of that name.

    Returns
    -------
    opened, found
        The signatures, read as they are asked for, and how many there are of whom.

    Raises
    ------
    DataError, UsageError, UnknownNameError
        If it is not there, no source recognises it, or it cannot be opened.

    Warns
    -----
    SigzooWarning
        Of files that are left out.
    """
    name, source, rest = find_source(place)
    opened = source.open(rest)
    forged = int(opened.forged.sum())
    known = opened.completeness if isinstance(opened, PublishedFiles) else None
    if known is not None and known.left_out:
        _warn_of(place, known)
    return opened, Found(place, name, len(set(opened.writers)), len(opened) - forged, forged, known)


def _warn_of(place: str, known: Completeness) -> None:
    """Warn of files that are not read, in a line."""
    count = len(known.left_out)
    named = "; ".join(
        f"{below(each.file, known.folder)}, {each.why(known.folder)}" for each in known.left_out[:_NAMED]
    )
    more = f"; and {count - _NAMED} more, see `sigzoo dataset inspect`" * (count > _NAMED)
    warnings.warn(
        f"{place}: left out: {count} file{'s' * (count != 1)}: {named}{more}", SigzooWarning, stacklevel=3
    )


def _sources() -> Mapping[str, DataSource]:
    zoo = default()
    return {name: zoo.build("data_source", name) for name in zoo.list_components("data_source")}


def _exists(place: str) -> bool:
    try:
        return Path(place).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False
