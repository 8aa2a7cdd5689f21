"""Scores by name, and which one is the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.verification.base import Prepared, Score
from sigzoo.verification.cohort_scores import AdaptiveSNorm, SNorm, TNorm, ZNorm
from sigzoo.verification.learnt_scores import Logistic, Plda
from sigzoo.verification.similarity_scores import (
    Centroid,
    Euclidean,
    Maximum,
    Mean,
    MeanAndMaximum,
    Minimum,
    ReferenceNormalised,
)

__all__ = ["DEFAULT_SCORE", "SCORES", "Prepared", "Score", "make_score"]

SCORES: Mapping[str, type[Score]] = MappingProxyType(
    {
        each.name: each
        for each in (
            *(Mean, Maximum, Minimum, MeanAndMaximum, Centroid, Euclidean, ReferenceNormalised),
            *(ZNorm, TNorm, SNorm, AdaptiveSNorm, Logistic, Plda),
        )
    }
)
"""Name -> class, the plain ones first."""

DEFAULT_SCORE = "reference-norm"
"""Chosen on development sets: ``docs/scores.md`` says how."""


def make_score(name: str | None = None, **options: Any) -> Score:
    """Make a score.

    Parameters
    ----------
    name
        One of `SCORES`; by default `DEFAULT_SCORE`.
    options
        What the class of that name takes.

    Returns
    -------
    Score
        Called with references and questioned features, it gives a score for each questioned one.

    Raises
    ------
    UnknownNameError
        If there is no score of this name, or it has no such option.
    UsageError
        If an option is out of range.
    """
    name = DEFAULT_SCORE if name is None else name
    if name not in SCORES:
        raise UnknownNameError("score", name, SCORES)
    known = [each.name for each in fields(SCORES[name])]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of the score {name}", option, known)
    try:
        return SCORES[name](**options)
    except TypeError as error:
        raise UsageError(f"the options {options} do not fit the score {name}: {error}.") from error
