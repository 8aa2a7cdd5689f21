"""A plugin that claims a name of strokenext-sigzoo."""

from sigzoo import hookimpl
from sigzoo.hookspecs import Register

SIGZOO_API = 1


@hookimpl
def sigzoo_register_backbones(register: Register) -> None:
    """Register a backbone under a name that is taken."""
    register("strokenext", "json:JSONDecoder")
