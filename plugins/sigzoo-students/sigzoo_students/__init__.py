"""Student backbones, their preprocessing and losses, and the weights that ship with sigzoo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register, RegisterModels

SIGZOO_API = 2

__version__ = "0.1.0"


@hookimpl
def sigzoo_register_backbones(register: Register) -> None:
    """Register the student networks."""
    register("student-base", "sigzoo_students.backbones:StudentBase")
    register("student-tiny", "sigzoo_students.backbones:StudentTiny")


@hookimpl
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register the preprocessing of the bundled models."""
    register("synsig", "sigzoo_students.preprocessing:SynsigPreprocessor")


@hookimpl(optionalhook=True)
def sigzoo_register_data_sources(register: Register) -> None:
    """Register what the bundled models were trained on."""
    register("synsig-families", "sigzoo_students.families:FamilySource")
    register("synsig-names", "sigzoo_students.real_names:NameSource")


@hookimpl
def sigzoo_register_losses(register: Register) -> None:
    """Register the losses that the bundled models were trained with, and those of distillation."""
    register("am-softmax", "sigzoo_students.losses:AdditiveMarginSoftmax")
    register("continual", "sigzoo_students.distillation:ContinualLoss")
    register("kd-feature", "sigzoo_students.distillation:FeatureLoss")
    register("kd-kl", "sigzoo_students.distillation:DistillationLoss")
    register("verification", "sigzoo_students.losses:VerificationLoss")


@hookimpl
def sigzoo_register_models(register: RegisterModels) -> None:
    """Register the bundled models."""
    register(Path(__file__).with_name("registry.yaml"))


@hookimpl(optionalhook=True)
def sigzoo_register_presets(register: Register) -> None:
    """Register how the bundled models are trained, and what a distillation has where no loss is named."""
    register("kd", "sigzoo_students.presets:KD")
    register("kd-continual", "sigzoo_students.presets:KD_CONTINUAL")
    register("synsig-base", "sigzoo_students.synsig_presets:BASE")
    register("synsig-tiny", "sigzoo_students.synsig_presets:TINY")
