"""The hooks that a plugin may implement; all targets are lazy, ``"package.module:Name"``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pluggy

hookspec = pluggy.HookspecMarker("sigzoo")
hookimpl = pluggy.HookimplMarker("sigzoo")


class Register(Protocol):
    """Takes a name, where to find the class, and keyword arguments it is built with by default."""

    def __call__(self, name: str, target: str, /, **defaults: Any) -> None:
        """Register one class."""


class RegisterModels(Protocol):
    """Takes the path of a registry file."""

    def __call__(self, path: str | Path, /) -> None:
        """Register one file."""


@hookspec
def sigzoo_register_backbones(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Backbone`."""


@hookspec
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Preprocessor`."""


@hookspec
def sigzoo_register_losses(register: Register) -> None:
    """Register subclasses of `sigzoo.interfaces.Loss`."""


@hookspec
def sigzoo_register_models(register: RegisterModels) -> None:
    """Register a ``registry.yaml`` of models and artifacts."""
