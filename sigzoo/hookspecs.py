"""The hooks that a plugin may implement; all targets are lazy, ``"package.module:Name"``.

A hook that is newer than the oldest sigzoo a plugin wants to run with is marked
``@hookimpl(optionalhook=True)``: a core that does not know it passes it over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pluggy

hookspec = pluggy.HookspecMarker("sigzoo")
hookimpl = pluggy.HookimplMarker("sigzoo")


class Register(Protocol):
    """Takes a name, where to find the class, and keyword arguments it is built with by default."""

    def __call__(self, name: str, target: str, /, **defaults: Any) -> None:
        """Register one component."""


class RegisterModels(Protocol):
    """Takes the path of a registry file."""

    def __call__(self, path: str | Path, /) -> None:
        """Register one file."""


@hookspec
def sigzoo_register_backbones(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Backbone`. Since API version 1."""


@hookspec
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Preprocessor`. Since API version 1."""


@hookspec
def sigzoo_register_losses(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Loss`. Since API version 1."""


@hookspec
def sigzoo_register_models(register: RegisterModels) -> None:
    """Register a ``registry.yaml`` of models and artifacts. Since API version 1."""


@hookspec
def sigzoo_register_runtimes(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Runtime`. Since API version 2."""


@hookspec
def sigzoo_register_weight_formats(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.WeightFormat`. Since API version 2."""


@hookspec
def sigzoo_register_data_sources(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.DataSource`. Since API version 2."""


@hookspec
def sigzoo_register_samplers(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Sampler`. Since API version 2."""


@hookspec
def sigzoo_register_presets(register: Register) -> None:
    """Register instances of `sigzoo.interfaces.TrainingPreset`. Since API version 2."""


@hookspec
def sigzoo_register_protocols(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.EvaluationProtocol`. Since API version 2."""


@hookspec
def sigzoo_register_commands(register: Register) -> None:
    """Register instances of `click.Command`, commands of `sigzoo`. Since API version 2."""
