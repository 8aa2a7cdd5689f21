"""What a plugin implements; only what needs torch imports it.

Names are imported when they are first used: a plugin that brings a preprocessor alone needs numpy and
nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names
from sigzoo.errors import (
    DataError,
    ImageError,
    SigzooError,
    SigzooWarning,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from sigzoo.interfaces.images import GreyImage, Size, check_grey, collected_warnings, warn
from sigzoo.interfaces.preprocessors import Preprocessor
from sigzoo.interfaces.samplers import Batch, SampledData, Sampler

if TYPE_CHECKING:
    from sigzoo.interfaces.backbones import Backbone
    from sigzoo.interfaces.losses import Loss, TrainingBatch

__all__ = [
    "Backbone",
    "Batch",
    "DataError",
    "GreyImage",
    "ImageError",
    "Loss",
    "Preprocessor",
    "SampledData",
    "Sampler",
    "SigzooError",
    "SigzooWarning",
    "Size",
    "TrainingBatch",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "check_grey",
    "collected_warnings",
    "warn",
]

__getattr__ = lazy_names(
    __name__,
    {"Backbone": "backbones", "Loss": "losses", "TrainingBatch": "losses"},
)
