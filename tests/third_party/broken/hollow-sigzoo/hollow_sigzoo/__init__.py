"""A plugin that names a module which it does not ship."""

from sigzoo import hookimpl
from sigzoo.hookspecs import Register

SIGZOO_API = 1


@hookimpl
def sigzoo_register_losses(register: Register) -> None:
    """Register a loss that is not there."""
    register("hollow", "hollow_sigzoo.losses:Hollow")
