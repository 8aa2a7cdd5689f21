"""A plugin whose registry does not follow the schema."""

from pathlib import Path

from sigzoo import hookimpl
from sigzoo.hookspecs import RegisterModels

SIGZOO_API = 1


@hookimpl
def sigzoo_register_models(register: RegisterModels) -> None:
    """Register models whose licence nobody states."""
    register(Path(__file__).with_name("registry.yaml"))
