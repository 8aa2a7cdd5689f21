"""Training: one loop for every backbone and every loss, plugins' included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.lazy import lazy_names

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

__getattr__ = lazy_names(
    __name__,
    {
        "BatchEnricher": "network",
        "DivergedError": "loop",
        "EpochResult": "results",
        "PRESETS": "presets",
        "TrainingResult": "results",
        "TrainingSettings": "settings",
        "train": "training",
    },
)
