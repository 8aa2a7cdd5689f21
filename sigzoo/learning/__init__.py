"""Training: one loop for every backbone and every loss, plugins' included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.learning.building import BuildError, BuildResult, build
    from sigzoo.learning.distillation import distill
    from sigzoo.learning.distillation_settings import DistillationSettings
    from sigzoo.learning.inversion.inverting import invert
    from sigzoo.learning.inversion.results import InversionResult
    from sigzoo.learning.inversion.settings import InversionSettings
    from sigzoo.learning.loop import DivergedError
    from sigzoo.learning.network import BatchEnricher
    from sigzoo.learning.presets import PRESETS
    from sigzoo.learning.recipes import plan
    from sigzoo.learning.results import EpochResult, TrainingResult
    from sigzoo.learning.settings import TrainingSettings
    from sigzoo.learning.training import train

__all__ = [
    "PRESETS",
    "BatchEnricher",
    "BuildError",
    "BuildResult",
    "DistillationSettings",
    "DivergedError",
    "EpochResult",
    "InversionResult",
    "InversionSettings",
    "TrainingResult",
    "TrainingSettings",
    "build",
    "distill",
    "invert",
    "plan",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "BatchEnricher": "network",
        "BuildError": "building",
        "BuildResult": "building",
        "DistillationSettings": "distillation_settings",
        "DivergedError": "loop",
        "build": "building",
        "distill": "distillation",
        "EpochResult": "results",
        "InversionResult": "inversion.results",
        "InversionSettings": "inversion.settings",
        "invert": "inversion.inverting",
        "PRESETS": "presets",
        "TrainingResult": "results",
        "TrainingSettings": "settings",
        "plan": "recipes",
        "train": "training",
    },
)
