"""StrokeNeXt for sigzoo: a backbone, its preprocessing, a loss and a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register, RegisterModels

SIGZOO_API = 1


@hookimpl
def sigzoo_register_backbones(register: Register) -> None:
    """Register one network in two sizes."""
    register("strokenext", "strokenext_sigzoo.backbone:StrokeNeXt")
    register("strokenext-deep", "strokenext_sigzoo.backbone:StrokeNeXt", depths=(2, 2, 2))


@hookimpl
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register the preprocessing."""
    register("stroke-height", "strokenext_sigzoo.preprocessing:StrokeHeight")


@hookimpl
def sigzoo_register_losses(register: Register) -> None:
    """Register the loss."""
    register("centres", "strokenext_sigzoo.loss:CentreLoss")


@hookimpl
def sigzoo_register_models(register: RegisterModels) -> None:
    """Register the model."""
    register(Path(__file__).with_name("registry.yaml"))
