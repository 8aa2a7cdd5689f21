"""From an evaluation to what its report shows: scores, hardest comparisons with pictures, maps."""

from __future__ import annotations

import io
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from PIL import Image

from sigzoo import __version__
from sigzoo.common.messages import counted
from sigzoo.datasets import find_source
from sigzoo.errors import DataError, ImageError
from sigzoo.evaluation.opened_set import DataInfo
from sigzoo.evaluation.report.contents import Comparison, EmbeddingMap, Picture, Rate, Report, System
from sigzoo.evaluation.report.projection import chosen_rows, project
from sigzoo.evaluation.run import BASELINE, Evaluation, Row
from sigzoo.evaluation.summary import calibrated_ratios
from sigzoo.interfaces.images import GreyImage
from sigzoo.interfaces.protocols import GENUINE, Signatures

__all__ = ["report_of"]

_HARDEST = 6
"""Comparisons of each kind that are shown."""
_REFERENCES = 2
_THUMBNAIL = (360, 160)
"""Width and height that a picture has at most."""
_PACKAGES = ("numpy", "torch", "scikit-learn")


def report_of(evaluation: Evaluation) -> Report:
    """Make the report of an evaluation that kept its features (``keep_features``).

    The pictures are read once more from where the signatures lie; one that has gone is left out.

    Parameters
    ----------
    evaluation
        What `sigzoo.evaluation.run.evaluate` returned.

    Returns
    -------
    Report
        For `page`.
    """
    place = evaluation.data.place
    _, source, rest = find_source(place)
    with closing(source.open(rest)) as opened:
        index = {opened.name(each): each for each in range(len(opened))}
        shown = _shortened(evaluation.names)
        pictures = _Pictures(shown, lambda row: opened.read(index[evaluation.names[row]]))
        maps = _Maps(evaluation, shown)
        systems = [_system(row, evaluation, pictures, maps) for row in evaluation.rows]
    return Report(
        f"Signature verification on {Path(place).name or place}",
        dict(_facts(evaluation)),
        systems,
        evaluation.notes,
    )


class _Pictures:
    """Thumbnails of signatures, each made once."""

    def __init__(self, names: Sequence[str], read: Callable[[int], GreyImage]) -> None:
        self._names, self._read = names, read
        self._made: dict[int, Picture] = {}

    def __getitem__(self, row: int) -> Picture:
        if row not in self._made:
            try:
                content = _thumbnail(self._read(row))
            except (ImageError, DataError, KeyError):
                content = b""
            self._made[row] = Picture(self._names[row], content)
        return self._made[row]


def _shortened(names: Sequence[str]) -> list[str]:
    """Names without the folders that all of them lie in."""
    try:
        folder = os.path.commonpath([os.path.dirname(name) for name in names])  # noqa: PTH120 names, not files
    except ValueError:
        return list(names)
    return [os.path.relpath(name, folder) if folder else name for name in names]


def _thumbnail(image: GreyImage) -> bytes:
    small = Image.fromarray(image)
    small.thumbnail(_THUMBNAIL, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


class _Maps:
    """Maps of the features of each model and layer, each made once whatever the protocols."""

    def __init__(self, evaluation: Evaluation, names: Sequence[str]) -> None:
        known = evaluation.known
        self._rows = chosen_rows(known.identity, known.forged)
        self._writers = [known.identity[row] for row in self._rows]
        self._forged = [known.forged[row] for row in self._rows]
        self._names = [names[row] for row in self._rows]
        self._made: dict[tuple[str, str], EmbeddingMap] = {}

    def of(self, row: Row) -> EmbeddingMap | None:
        if row.features is None or row.model == BASELINE:
            return None
        key = (row.model, row.layer)
        if key not in self._made:
            method, points = project(np.asarray(row.features)[self._rows])
            self._made[key] = EmbeddingMap(method, points, self._writers, self._forged, self._names)
        return self._made[key]


def _system(row: Row, evaluation: Evaluation, pictures: _Pictures, maps: _Maps) -> System:
    kinds = list(row.measured)
    summary, baseline = row.summary, row.model == BASELINE
    details = {} if summary is None else summary.impostors
    found = System(
        row.model,
        row.layer,
        str(row.protocol),
        _scores(row, GENUINE),
        {kind: _scores(row, kind) for kind in kinds},
        {kind: Rate(each.eer, each.low, each.high) for kind, each in row.measured.items()},
        {
            kind: Rate(each.eer_user.value, each.eer_user.low, each.eer_user.high)
            for kind, each in details.items()
        },
        {kind: Rate(each.auc.value, each.auc.low, each.auc.high) for kind, each in details.items()},
        {kind: each.likelihood.cllr for kind, each in details.items() if each.likelihood is not None},
        baseline=baseline,
        scanner_cues=row.scanner_cues,
        problem=row.problem,
    )
    kind = found.hardest_kind
    if summary is None or kind is None:
        return found
    points = {each.name: each.threshold for each in summary.operating_points}
    threshold = points.get(f"eer {kind.replace('_', '-')}")
    return System(
        **{
            **vars(found),
            "log10_lr": _likelihood_ratios(row, evaluation.known),
            "threshold": threshold if threshold is not None and np.isfinite(threshold) else None,
            "of_writers": {} if baseline else details[kind].user_eers,
            "hardest": () if baseline else tuple(_hardest(row, kind, pictures)),
            "embedding": maps.of(row),
            "facts": {} if baseline else dict(_row_facts(row)),
        }
    )


def _scores(row: Row, kind: str) -> np.ndarray:
    """Scores of a kind, of all draws."""
    parts = [each.scores[each.of(kind)] for each in row.trials]
    return np.concatenate(parts) if parts else np.zeros(0)


def _likelihood_ratios(row: Row, known: Signatures) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    found = {kind: calibrated_ratios(row.trials, kind, known) for kind in row.measured}
    return {kind: each for kind, each in found.items() if each is not None}


def _hardest(row: Row, impostor: str, pictures: _Pictures) -> Iterator[Comparison]:
    """Genuine signatures of lowest score and impostors of highest, each signature once."""
    for kind, sign in ((GENUINE, 1.0), (impostor, -1.0)):
        candidates = sorted(
            (sign * float(each.scores[place]), draw, int(place))
            for draw, each in enumerate(row.trials)
            for place in _extreme(sign * each.scores, np.flatnonzero(each.of(kind)))
        )
        shown: set[int] = set()
        for value, draw, place in candidates:
            trials = row.trials[draw]
            questioned, claimed = int(trials.questioned[place]), int(trials.claimed[place])
            if questioned in shown or len(shown) == _HARDEST:
                continue
            shown.add(questioned)
            references = [pictures[int(each)] for each in trials.references[claimed][:_REFERENCES]]
            yield Comparison(sign * value, kind, trials.identities[claimed], pictures[questioned], references)


def _extreme(scores: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of some places those of the lowest scores, more than are shown, as signatures come several times."""
    return places[np.argsort(scores[places], kind="stable")[: 4 * _HARDEST]]


def _facts(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    yield "data", _data(evaluation.data)
    if evaluation.development is not None:
        yield "learnt from", _data(evaluation.development)
    yield "models", ", ".join(dict.fromkeys(r.model for r in evaluation.rows if r.model != BASELINE))
    yield "made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield "by", ", ".join([f"sigzoo {__version__}", f"Python {platform.python_version()}", *_versions()])


def _versions() -> Iterator[str]:
    for package in _PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            continue


def _data(info: DataInfo) -> str:
    return (
        f"{info.place} (read as {info.source}): {counted(info.writers, 'writer')},"
        f" {counted(info.genuine, 'genuine signature')},"
        f" {counted(info.forged, 'skilled forgery', 'skilled forgeries')}"
    )


def _row_facts(row: Row) -> Iterator[tuple[str, str]]:
    yield "protocol", _listed({"name": row.protocol.name, **row.settings})
    for label, value in row.provenance.items():
        yield label.replace("_", " "), str(value)


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)
