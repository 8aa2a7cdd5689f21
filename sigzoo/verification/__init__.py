"""Is a questioned signature by the writer of the references: scores, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.verification.base import Score
    from sigzoo.verification.calibration import Calibration, Impostor, read_calibration, write_calibration
    from sigzoo.verification.decision import LikelihoodRatio, Origin, Threshold
    from sigzoo.verification.scores import DEFAULT_SCORE, make_score
    from sigzoo.verification.verification import Verification, verify_features

__all__ = [
    "DEFAULT_SCORE",
    "Calibration",
    "Impostor",
    "LikelihoodRatio",
    "Origin",
    "Score",
    "Threshold",
    "Verification",
    "make_score",
    "read_calibration",
    "verify_features",
    "write_calibration",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Calibration": "calibration",
        "DEFAULT_SCORE": "scores",
        "Impostor": "calibration",
        "LikelihoodRatio": "decision",
        "Origin": "decision",
        "Score": "base",
        "Threshold": "decision",
        "Verification": "verification",
        "make_score": "scores",
        "read_calibration": "calibration",
        "verify_features": "verification",
        "write_calibration": "calibration",
    },
)
