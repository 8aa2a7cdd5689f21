"""Cues that tell forged from genuine without a look at the handwriting, and how well each does alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.evaluation.metrics import area_under_curve, equal_error

__all__ = ["WARN_BELOW", "CueSeparation", "separation"]

WARN_BELOW = 35.0
"""Equal error rate in percent below which a cue alone is warned of; 50 is chance."""


@dataclass(frozen=True)
class CueSeparation:
    """How well one number tells forged from genuine, over all writers and one threshold."""

    cue: str
    eer: float
    """Equal error rate in percent, in the better direction."""
    auc: float
    """Area under the ROC curve in that direction; 0.5 is chance."""
    auc_within: float | None
    """The same within each writer, mean over those who have both; the direction is one for all."""
    genuine_is_higher: bool
    """Whether genuine signatures have the higher values."""
    values: int
    """Signatures of which the number is known."""

    @property
    def suspicious(self) -> bool:
        """Whether it tells so much that results may come from it."""
        return self.eer < WARN_BELOW

    def sentence(self) -> str:
        """What that means, for people."""
        side = "higher" if self.genuine_is_higher else "lower"
        return (
            f"the {self.cue} alone tells forged from genuine with an equal error rate of {self.eer:.1f} %"
            f" ({side} in genuine ones): a model that sees it seems better than it is"
        )


def separation(
    cue: str,
    values: Sequence[float | None],
    forged: NDArray[np.bool_],
    writers: Sequence[int | str],
) -> CueSeparation | None:
    """Measure what one number tells; `None` where it is known of no genuine, or of no forged signature.

    Parameters
    ----------
    cue
        What it is called.
    values
        Of each signature; `None` where it is not known.
    forged, writers
        What each signature is.
    """
    known = np.array([value is not None for value in values], bool)
    numbers = np.array([0.0 if value is None else value for value in values], np.float64)
    genuine, impostor = numbers[known & ~forged], numbers[known & forged]
    if not len(genuine) or not len(impostor):
        return None
    eer, sign = min((equal_error(each * genuine, each * impostor).eer, -each) for each in (1.0, -1.0))
    sign = -sign
    return CueSeparation(
        cue,
        100.0 * eer,
        area_under_curve(sign * genuine, sign * impostor),
        _within(sign * numbers, known, forged, np.array([str(each) for each in writers])),
        sign > 0,
        int(known.sum()),
    )


def _within(
    numbers: NDArray[np.float64],
    known: NDArray[np.bool_],
    forged: NDArray[np.bool_],
    writers: NDArray[np.str_],
) -> float | None:
    areas = []
    for writer in np.unique(writers):
        own = known & (writers == writer)
        if (own & forged).any() and (own & ~forged).any():
            areas.append(area_under_curve(numbers[own & ~forged], numbers[own & forged]))
    return float(np.mean(areas)) if areas else None
