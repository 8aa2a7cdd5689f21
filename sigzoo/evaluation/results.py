"""Results as plain data and as files: what is kept of an evaluation, and reading it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from sigzoo import __version__
from sigzoo.artifacts.home import cache_home
from sigzoo.common.atomic import write_json
from sigzoo.common.bounded_files import read_bounded
from sigzoo.common.messages import shortened
from sigzoo.errors import DataError, SigzooError
from sigzoo.evaluation.resampling import Estimate
from sigzoo.evaluation.run import Evaluation, Row
from sigzoo.evaluation.summary import Summary
from sigzoo.interfaces.protocols import Measured

__all__ = [
    "FORMAT",
    "STANDARD_NAMES",
    "StoredResults",
    "StoredRow",
    "as_json",
    "keep",
    "kept_files",
    "read_results",
]

FORMAT = "sigzoo-results-1"

STANDARD_NAMES = {
    "frr": "FNMR (ISO/IEC 19795-1): false non-match rate, of single comparisons",
    "far random": "FMR (ISO/IEC 19795-1): false match rate, of zero-effort impostors",
    "far skilled": "IAPAR (ISO/IEC 30107-3): impostor attack presentation accept rate, and not APCER",
    "eer": "EER: where FMR, or IAPAR, and FNMR are equal",
}
"""Names of this field -> those of the standards."""

MAX_RESULTS = 64 << 20
"""Bytes of a results file that is read."""


class _Figure(Struct, frozen=True):
    value: float | None
    low: float | None = None
    high: float | None = None


class _Impostor(Struct, frozen=True):
    eer: _Figure
    eer_user_thresholds: _Figure | None = None
    auc: _Figure | None = None


class _Protocol(Struct, frozen=True):
    name: str
    options: dict[str, Any] = {}


class StoredRow(Struct, frozen=True):
    """A row of a results file: what a leaderboard needs of it."""

    model: str
    layer: str
    protocol: _Protocol
    impostors: dict[str, _Impostor] = {}
    scanner_cues: bool = False
    problem: str = ""


class _Data(Struct, frozen=True):
    place: str
    writers: int


class StoredResults(Struct, frozen=True):
    """A results file."""

    format: str
    created: str
    data: _Data
    results: list[StoredRow]


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as plain data; rates in percent, numbers that are not finite as `None`.

    Parameters
    ----------
    evaluation
        What `sigzoo.evaluation.run.evaluate` returned.

    Returns
    -------
    dict
        What `sigzoo evaluate -o` writes.
    """
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "sigzoo_version": __version__,
        "standard_names": STANDARD_NAMES,
        "data": asdict(evaluation.data),
        "development": None if evaluation.development is None else asdict(evaluation.development),
        "notes": list(evaluation.notes),
        "results": [_row(row) for row in evaluation.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": row.model,
        "layer": row.layer,
        "scanner_cues": row.scanner_cues,
        "protocol": {
            "name": row.protocol.name,
            "options": dict(row.protocol.options),
            "settings": dict(row.settings),
        },
        "provenance": dict(row.provenance),
        "problem": row.problem,
    }
    if row.summary is None:
        return {**found, "impostors": {kind: {"eer": _figure(each)} for kind, each in row.measured.items()}}
    return {**found, **_summary(row.summary)}


def _summary(summary: Summary) -> dict[str, Any]:
    impostors = {}
    for kind, each in summary.impostors.items():
        likelihood = each.likelihood
        impostors[kind] = {
            "eer": _figure(each.eer),
            "eer_user_thresholds": _figure(each.eer_user),
            "auc": _figure(each.auc),
            "cllr": None if likelihood is None else _finite(likelihood.cllr),
            "cllr_min": None if likelihood is None else _finite(likelihood.cllr_min),
            "eer_of_users": {name: _finite(rate) for name, rate in each.user_eers.items()},
            "trials": each.trials,
        }
    points = [
        {"name": each.name, "threshold": _finite(each.threshold), "frr": each.frr, "far": dict(each.far)}
        for each in summary.operating_points
    ]
    return {
        "writers": summary.writers,
        "draws": summary.draws,
        "genuine_trials": summary.genuine_trials,
        "impostors": impostors,
        "operating_points": points,
    }


def _figure(found: Estimate | Measured) -> dict[str, Any]:
    value = found.value if isinstance(found, Estimate) else found.eer
    return {
        "value": _finite(value),
        "low": _finite(found.low),
        "high": _finite(found.high),
        "draws": [_finite(each) for each in found.draws],
    }


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def results_folder() -> Path:
    """Where `sigzoo evaluate` keeps results: ``results`` in the cache of sigzoo (`SIGZOO_HOME`)."""
    return cache_home() / "results"


def keep(content: Mapping[str, Any]) -> Path:
    """Keep results in the user's folder.

    Parameters
    ----------
    content
        What `as_json` returned.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SigzooError
        If they cannot be written.
    """
    folder = results_folder()
    words = json.dumps(content, sort_keys=True, default=str)
    name = f"{content['created'][:19].replace(':', '')}-{hashlib.sha256(words.encode()).hexdigest()[:8]}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SigzooError(f"{folder}: cannot be made: {error.strerror or error}.") from error
    write_json(folder / name, content)
    return folder / name


def kept_files() -> Sequence[Path]:
    """Files of results that are kept, the oldest first.

    Returns
    -------
    list of Path
        Empty where nothing was kept yet.
    """
    folder = results_folder()
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def read_results(path: Path) -> StoredResults:
    """Read a results file.

    Parameters
    ----------
    path
        A file that `sigzoo evaluate -o` wrote.

    Returns
    -------
    StoredResults
        Its rows, and what was measured.

    Raises
    ------
    DataError
        If it cannot be read, or is no file of results; says why.
    """
    content = read_bounded(path, MAX_RESULTS, DataError, "no results are")
    try:
        found = msgspec.json.decode(content, type=StoredResults)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is no file of results that `sigzoo evaluate` writes: {shortened(str(error), 200)}."
        ) from error
    if found.format != FORMAT:
        raise DataError(
            f"{path}: results of the format {shortened(found.format, 40)!r}; this sigzoo reads {FORMAT}."
        )
    return found
