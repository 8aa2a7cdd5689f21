"""Training, one loop for every backbone and loss, plugins' included; distilling, inverting and building."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.learning.distillation.distilling import distill
    from sigzoo.learning.distillation.settings import DistillationSettings
    from sigzoo.learning.inversion.inverting import invert
    from sigzoo.learning.inversion.results import InversionResult
    from sigzoo.learning.inversion.settings import InversionSettings
    from sigzoo.learning.loop import DivergedError
    from sigzoo.learning.network import BatchEnricher
    from sigzoo.learning.presets import PRESETS
    from sigzoo.learning.recipes.building import BuildError, BuildResult, build
    from sigzoo.learning.recipes.planning import plan
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
        "BuildError": "recipes.building",
        "BuildResult": "recipes.building",
        "DistillationSettings": "distillation.settings",
        "DivergedError": "loop",
        "build": "recipes.building",
        "distill": "distillation.distilling",
        "EpochResult": "results",
        "InversionResult": "inversion.results",
        "InversionSettings": "inversion.settings",
        "invert": "inversion.inverting",
        "PRESETS": "presets",
        "TrainingResult": "results",
        "TrainingSettings": "settings",
        "plan": "recipes.planning",
        "train": "training",
    },
)
