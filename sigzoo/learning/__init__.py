"""Training, one loop for every backbone and loss, plugins' included; distilling, inverting and building."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.inversion_settings import InversionSettings
from sigzoo.settings.training_settings import TrainingSettings

if TYPE_CHECKING:
    from sigzoo.learning.building.build import BuildError, BuildResult, build
    from sigzoo.learning.building.build_plan import plan
    from sigzoo.learning.distillation.distill import distill
    from sigzoo.learning.inversion.inversion_results import InversionResult
    from sigzoo.learning.inversion.invert import invert
    from sigzoo.learning.training.loop import DivergedError
    from sigzoo.learning.training.network import BatchEnricher
    from sigzoo.learning.training.presets import list_presets, preset
    from sigzoo.learning.training.results import EpochResult, TrainingResult
    from sigzoo.learning.training.train import train

__all__ = [
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
    "list_presets",
    "plan",
    "preset",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "BatchEnricher": "training.network",
        "BuildError": "building.build",
        "BuildResult": "building.build",
        "DivergedError": "training.loop",
        "build": "building.build",
        "distill": "distillation.distill",
        "EpochResult": "training.results",
        "InversionResult": "inversion.inversion_results",
        "invert": "inversion.invert",
        "list_presets": "training.presets",
        "preset": "training.presets",
        "TrainingResult": "training.results",
        "plan": "building.build_plan",
        "train": "training.train",
    },
)
