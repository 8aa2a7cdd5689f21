"""Training: one loop for every backbone and every loss, plugins' included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.learning.inversion.inverting import invert
    from sigzoo.learning.inversion.results import InversionResult
    from sigzoo.learning.inversion.settings import InversionSettings
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
    "InversionResult",
    "InversionSettings",
    "TrainingResult",
    "TrainingSettings",
    "invert",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "BatchEnricher": "network",
        "DivergedError": "loop",
        "EpochResult": "results",
        "InversionResult": "inversion.results",
        "InversionSettings": "inversion.settings",
        "invert": "inversion.inverting",
        "PRESETS": "presets",
        "TrainingResult": "results",
        "TrainingSettings": "settings",
        "train": "training",
    },
)
