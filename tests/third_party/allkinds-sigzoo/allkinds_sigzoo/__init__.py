"""One of each kind of plugin for sigzoo, and a hook of a core that is yet to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigzoo import hookimpl

if TYPE_CHECKING:
    from sigzoo.hookspecs import Register

SIGZOO_API = 2


@hookimpl
def sigzoo_register_runtimes(register: Register) -> None:
    """Register a runtime that counts its calls."""
    register("counting", "allkinds_sigzoo.runtime:CountingRuntime")


@hookimpl
def sigzoo_register_weight_formats(register: Register) -> None:
    """Register a weight format."""
    register("allkinds", "allkinds_sigzoo.weight_format:AllkindsFormat")


@hookimpl
def sigzoo_register_data_sources(register: Register) -> None:
    """Register a data source."""
    register("allkinds", "allkinds_sigzoo.data_source:AllkindsSource")


@hookimpl
def sigzoo_register_samplers(register: Register) -> None:
    """Register a sampler."""
    register("allkinds", "allkinds_sigzoo.sampler:AllkindsSampler")


@hookimpl
def sigzoo_register_presets(register: Register) -> None:
    """Register a preset that names the sampler."""
    register("allkinds", "allkinds_sigzoo.preset:PRESET")


@hookimpl
def sigzoo_register_protocols(register: Register) -> None:
    """Register an evaluation protocol."""
    register("allkinds", "allkinds_sigzoo.protocol:AllkindsProtocol")


@hookimpl
def sigzoo_register_commands(register: Register) -> None:
    """Register a command."""
    register("allkinds", "allkinds_sigzoo.command:command")


@hookimpl(optionalhook=True)
def sigzoo_register_holograms(register: Any) -> None:
    """Register something that this core knows nothing of."""
    raise RuntimeError("nobody calls this")
