"""Conformance checks for plugins: as functions, and as one test class for pytest.

In a plugin's test module::

    from sigzoo.testing import PluginConformance

    class TestPlugin(PluginConformance):
        distribution = "ourlab-sigzoo"

Each check is a plain function too, for a notebook or a test of one class:
``check_backbone(backbone)``, ``check_preprocessor(preprocessor)``, ``check_loss(loss)``,
``check_runtime(runtime)``, ``check_weight_format(format, write)``,
``check_data_source(source, place)``, ``check_sampler(sampler)``,
``check_preset(preset)``, ``check_protocol(protocol)``, ``check_command(command, name)``,
``check_registry(path)``, ``check_model(name)``, ``check_distribution(name)``.
"""

from __future__ import annotations

from sigzoo.testing import images
from sigzoo.testing.backbones import BACKBONE, BackboneCase, check_backbone
from sigzoo.testing.commands import COMMAND, CommandCase, check_command
from sigzoo.testing.conformance import PluginConformance
from sigzoo.testing.data_sources import DATA_SOURCE, DataSourceCase, check_data_source
from sigzoo.testing.distributions import DISTRIBUTION, DistributionCase, check_distribution
from sigzoo.testing.losses import LOSS, check_loss
from sigzoo.testing.models import MODEL, ModelCase, check_model
from sigzoo.testing.preprocessors import PREPROCESSOR, check_preprocessor
from sigzoo.testing.presets import PRESET, PresetCase, check_preset
from sigzoo.testing.protocols import PROTOCOL, check_protocol
from sigzoo.testing.registries import REGISTRY, RegistryCase, check_registry
from sigzoo.testing.runtimes import RUNTIME, RuntimeCase, check_runtime
from sigzoo.testing.samplers import SAMPLER, check_sampler
from sigzoo.testing.suites import ConformanceFailure, Suite
from sigzoo.testing.weight_formats import WEIGHT_FORMAT, WeightFormatCase, check_weight_format

__all__ = [
    "BACKBONE",
    "COMMAND",
    "DATA_SOURCE",
    "DISTRIBUTION",
    "LOSS",
    "MODEL",
    "PREPROCESSOR",
    "PRESET",
    "PROTOCOL",
    "REGISTRY",
    "RUNTIME",
    "SAMPLER",
    "WEIGHT_FORMAT",
    "BackboneCase",
    "CommandCase",
    "ConformanceFailure",
    "DataSourceCase",
    "DistributionCase",
    "ModelCase",
    "PluginConformance",
    "PresetCase",
    "RegistryCase",
    "RuntimeCase",
    "Suite",
    "WeightFormatCase",
    "check_backbone",
    "check_command",
    "check_data_source",
    "check_distribution",
    "check_loss",
    "check_model",
    "check_preprocessor",
    "check_preset",
    "check_protocol",
    "check_registry",
    "check_runtime",
    "check_sampler",
    "check_weight_format",
    "images",
]
