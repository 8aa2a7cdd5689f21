"""Training: one loop for every backbone and every loss, plugins' included."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigzoo.learning.loop import DivergedError
    from sigzoo.learning.network import BatchEnricher
    from sigzoo.learning.presets import PRESETS
    from sigzoo.learning.results import EpochResult, TrainingResult
    from sigzoo.learning.settings import TrainingSettings
    from sigzoo.learning.training import train

__all__ = [
    "PRESETS",
    "BatchEnricher",
    "DivergedError",
    "EpochResult",
    "TrainingResult",
    "TrainingSettings",
    "train",
]

_HOME = {
    "BatchEnricher": "network",
    "DivergedError": "loop",
    "EpochResult": "results",
    "PRESETS": "presets",
    "TrainingResult": "results",
    "TrainingSettings": "settings",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command's help does not load torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'sigzoo.learning' has no attribute {name!r}")
    value = getattr(import_module(f"sigzoo.learning.{_HOME[name]}"), name)
    globals()[name] = value
    return value
