"""sigzoo-community: published networks that belong to nobody of sigzoo; importing this imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register, RegisterModels

SIGZOO_API = 1
"""Version of sigzoo's plugin interface that this package was written for."""

__version__ = "0.1.0"


@hookimpl
def sigzoo_register_backbones(register: Register) -> None:
    """Register the networks."""
    register("asmitkt-cnn", "sigzoo_community.asmitkt.backbone:AsmitktCnn")


@hookimpl
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register the preprocessing that each network was trained with."""
    register("asmitkt", "sigzoo_community.asmitkt.preprocessing:AsmitktPreprocessor")


@hookimpl
def sigzoo_register_models(register: RegisterModels) -> None:
    """Register the models, whose weights are fetched from where their authors publish them."""
    register(Path(__file__).with_name("registry.yaml"))
