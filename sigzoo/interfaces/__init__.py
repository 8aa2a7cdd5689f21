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
from sigzoo.interfaces.data_sources import DataSource, SignatureSet
from sigzoo.interfaces.images import GreyImage, Size, check_grey, collected_warnings, warn
from sigzoo.interfaces.preprocessors import Preprocessor
from sigzoo.interfaces.presets import TrainingPreset
from sigzoo.interfaces.samplers import Batch, SampledData, Sampler

if TYPE_CHECKING:
    from sigzoo.interfaces.backbones import Backbone
    from sigzoo.interfaces.losses import Loss, TrainingBatch
    from sigzoo.interfaces.protocols import EvaluationProtocol, FeatureSet, Measured, Signatures, Trials
    from sigzoo.interfaces.runtimes import NetworkSource, Runtime
    from sigzoo.interfaces.weight_formats import WeightArrays, WeightFormat

__all__ = [
    "Backbone",
    "Batch",
    "DataError",
    "DataSource",
    "EvaluationProtocol",
    "FeatureSet",
    "GreyImage",
    "ImageError",
    "Loss",
    "Measured",
    "NetworkSource",
    "Preprocessor",
    "Runtime",
    "SampledData",
    "Sampler",
    "SignatureSet",
    "Signatures",
    "SigzooError",
    "SigzooWarning",
    "Size",
    "TrainingBatch",
    "TrainingPreset",
    "Trials",
    "UnknownNameError",
    "UsageError",
    "WeightArrays",
    "WeightFormat",
    "WeightsError",
    "check_grey",
    "collected_warnings",
    "warn",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Backbone": "backbones",
        "EvaluationProtocol": "protocols",
        "FeatureSet": "protocols",
        "Loss": "losses",
        "Measured": "protocols",
        "NetworkSource": "runtimes",
        "Runtime": "runtimes",
        "Signatures": "protocols",
        "TrainingBatch": "losses",
        "Trials": "protocols",
        "WeightArrays": "weight_formats",
        "WeightFormat": "weight_formats",
    },
)
