"""Signatures of known writers, kept as features, among which writers are ranked for a questioned one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.verification.base import Score
from sigzoo.verification.calibration import Calibration
from sigzoo.verification.ranking import Candidate, rank_candidates, without_itself

__all__ = ["Gallery"]


@dataclass(frozen=True)
class Gallery:
    """Features of images, whose they are, and how they are compared.

    Attributes
    ----------
    features
        float32 ``(N, D)``.
    files
        What the N are called.
    groups
        Writer -> rows; see `group_files`.
    layer
        The layer that they are of.
    score, calibration
        As for `rank_candidates`.
    """

    features: NDArray[np.float32]
    files: Sequence[str]
    groups: Mapping[str, Sequence[int]]
    layer: str
    score: Score | None
    calibration: Calibration | None

    def rank(self, questioned: NDArray[np.float32]) -> tuple[list[Candidate], list[str]]:
        """Rank the writers for one signature, float32 ``(D,)``.

        Returns
        -------
        ranking, left_out
            The likeliest first; the files that were left out, as they are the questioned image itself.

        Raises
        ------
        UsageError
            If nobody is left to rank.
        DataError
            If features do not fit together.
        """
        others, same = without_itself(questioned, self.features, self.groups)
        ranking = rank_candidates(
            questioned,
            self.features,
            self.files,
            others,
            layer=self.layer,
            score=self.score,
            calibration=self.calibration,
        )
        return ranking, [self.files[place] for place in same]
