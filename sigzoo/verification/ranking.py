"""Whose signature is it: writers ranked by how well a questioned signature goes with their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError
from sigzoo.verification.base import Score
from sigzoo.verification.calibration import Calibration
from sigzoo.verification.scores import make_score

__all__ = ["Candidate", "group_files", "rank_candidates", "ranking_data", "without_itself"]

GENUINE = "genuine"
"""Folder of a writer's genuine signatures; where there is one, its neighbours (forgeries) do not count."""


@dataclass(frozen=True)
class Candidate:
    """A writer, and how well the questioned signature goes with theirs."""

    name: str
    """The folder of the writer, or the file where each stands for itself."""
    score: float
    references: tuple[str, ...]
    """The files that it was compared with."""
    nearest: str
    """The one that is most similar."""
    log10_lr: float | None
    """Likelihood ratio against a random forgery, another writer's own; `None` without calibration."""


def group_files(files: Sequence[str], root: str | None = None) -> dict[str, list[int]]:
    """Group files by writer: a folder below `root` is a writer, a file in it stands for itself.

    Parameters
    ----------
    files
        Paths.
    root
        The folder that holds the writers; by default the deepest that holds all files.

    Returns
    -------
    dict
        Name -> places in `files`. In a writer's folder that holds a folder ``genuine`` only that counts.
    """
    parts = [PurePath(file).parts for file in files]
    depth = len(PurePath(root).parts) if root is not None else _common_depth(parts)
    groups: dict[str, list[int]] = {}
    for index, (file, steps) in enumerate(zip(files, parts, strict=True)):
        groups.setdefault(steps[depth] if len(steps) > depth + 1 else file, []).append(index)
    for name, places in groups.items():
        real = [index for index in places if GENUINE in parts[index][depth + 1 : -1]]
        groups[name] = real or places
    return groups


def _common_depth(parts: Sequence[tuple[str, ...]]) -> int:
    """How many folders, from the first on, all paths share."""
    depth = 0
    shortest = min(len(steps) for steps in parts) - 1
    while depth < shortest and len({steps[depth] for steps in parts}) == 1:
        depth += 1
    return depth


def rank_candidates(
    questioned: NDArray[Any],
    gallery: NDArray[Any],
    files: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    *,
    layer: str,
    score: Score | None = None,
    calibration: Calibration | None = None,
) -> list[Candidate]:
    """Rank writers for one questioned signature, the likeliest first.

    Parameters
    ----------
    questioned
        float ``(D,)``.
    gallery
        float ``(N, D)``, of the same model and layer.
    files
        What to call the N.
    groups
        Writer -> rows of `gallery`; see `group_files`.
    layer
        The layer that features are of.
    score
        By default the calibration's, or `DEFAULT_SCORE`.
    calibration
        One that fits the features, or none.

    Raises
    ------
    UsageError
        If there is nobody to rank.
    DataError
        If features do not fit together, or are not finite or zero.
    """
    if not groups:
        raise UsageError("There is nobody to compare with.")
    if score is None:
        score = (
            make_score()
            if calibration is None
            else make_score(calibration.score, **calibration.score_options)
        )
    asked = np.asarray(questioned)[np.newaxis]
    found = []
    for name, places in groups.items():
        own = gallery[list(places)]
        value = float(score(own, asked)[0])
        alike = score(asked, own)
        count = calibration.for_references(layer, len(own)) if calibration else None
        model = count[1].likelihood.get("random") if count else None
        found.append(
            Candidate(
                name,
                value,
                tuple(files[place] for place in places),
                files[places[int(alike.argmax())]],
                None if model is None else float(model.log10_lr(value)),
            )
        )
    return sorted(found, key=lambda each: -each.score)


def without_itself(
    questioned: NDArray[np.float32], gallery: NDArray[np.float32], groups: Mapping[str, Sequence[int]]
) -> tuple[dict[str, list[int]], list[int]]:
    """Leave the questioned image itself out of a gallery, where it is known by its features.

    Returns
    -------
    groups, left_out
        The groups of `group_files` without it; its rows of the gallery.
    """
    same = np.flatnonzero(np.isclose(gallery, questioned, rtol=0, atol=1e-6).all(axis=1))
    left = {name: [place for place in places if place not in same] for name, places in groups.items()}
    return {name: places for name, places in left.items() if places}, same.tolist()


def ranking_data(found: Sequence[tuple[str, Sequence[Candidate]]], most: int) -> list[dict[str, Any]]:
    """Rankings as plain data: of each questioned image the first `most` candidates."""
    return [
        {
            "questioned": name,
            "candidates": [{"rank": rank, **asdict(each)} for rank, each in enumerate(ranking[:most], 1)],
            "compared": len(ranking),
        }
        for name, ranking in found
    ]
