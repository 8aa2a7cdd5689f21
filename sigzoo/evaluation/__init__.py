"""Measuring: distances, error rates, protocols, and the data sets they are run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.evaluation.metrics import EqualError, equal_error, error_rates
    from sigzoo.evaluation.run import Evaluation, ProtocolChoice, evaluate

__all__ = ["EqualError", "Evaluation", "ProtocolChoice", "equal_error", "error_rates", "evaluate"]

__getattr__ = lazy_names(
    __name__,
    {
        "EqualError": "metrics",
        "Evaluation": "run",
        "ProtocolChoice": "run",
        "equal_error": "metrics",
        "error_rates": "metrics",
        "evaluate": "run",
    },
)
