"""A plugin for an interface that this sigzoo does not have."""

from sigzoo import hookimpl

SIGZOO_API = 0


@hookimpl
def sigzoo_register_backbones(register: object) -> None:
    """Never called."""
    raise AssertionError("called in spite of its version")
