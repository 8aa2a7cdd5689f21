"""SigNet-SPP for sigzoo; importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register

__all__ = ["SIGZOO_API", "sigzoo_register_backbones", "sigzoo_register_preprocessors"]

SIGZOO_API = 1
"""Version of the plugin interface that this package was written for."""


@hookimpl
def sigzoo_register_backbones(register: Register) -> None:
    """Register the networks for scans of 300 and of 600 dpi."""
    register("signet-spp-300dpi", "sigzoo_spp.backbones:SigNetSPP300")
    register("signet-spp-600dpi", "sigzoo_spp.backbones:SigNetSPP600")


@hookimpl
def sigzoo_register_preprocessors(register: Register) -> None:
    """Register the preprocessing of 2018: background removal at the image's own size."""
    register("spp-2018", "sigzoo_spp.preprocessing:SPP2018")
