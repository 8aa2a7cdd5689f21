"""SigNet and SigNet-F for sigzoo; importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register

__all__ = [
    "SIGZOO_API",
    "sigzoo_register_backbones",
    "sigzoo_register_losses",
    "sigzoo_register_preprocessors",
    "sigzoo_register_presets",
    "sigzoo_register_weight_formats",
]

SIGZOO_API = 2
"""Version of the plugin interface that this package was written for."""


@hookimpl
def sigzoo_register_backbones(register: Register) -> None:
    """Register SigNet and sigver's two smaller variants."""
    register("signet", "sigzoo_signet.backbones:SigNet")
    register("signet-thin", "sigzoo_signet.backbones:SigNetThin")
    register("signet-smaller", "sigzoo_signet.backbones:SigNetSmaller")


@hookimpl
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register the preprocessing of 2017 (Lasagne weights) and that of sigver (PyTorch weights)."""
    register("signet-2017", "sigzoo_signet.preprocessing:SigNet2017")
    register("sigver", "sigzoo_signet.preprocessing:Sigver")


@hookimpl
def sigzoo_register_losses(register: Register) -> None:
    """Register the losses that the published SigNets were trained with."""
    register("signet", "sigzoo_signet.losses:WriterLoss")
    register("signet-f", "sigzoo_signet.losses:WriterAndForgeryLoss")
    register("triplet", "sigzoo_signet.contrastive:TripletLoss")
    register("nt-xent", "sigzoo_signet.contrastive:NTXentLoss")


@hookimpl(optionalhook=True)
def sigzoo_register_weight_formats(register: Register) -> None:
    """Register the pickles of arrays that sigver_wiwd's Lasagne programs wrote."""
    register("lasagne", "sigzoo_signet.lasagne:LasagneFormat")


@hookimpl(optionalhook=True)
def sigzoo_register_presets(register: Register) -> None:
    """Register how SigNet was trained."""
    register("signet-2017", "sigzoo_signet.presets:SIGNET_2017")
