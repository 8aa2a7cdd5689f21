"""A plugin whose hook nobody would ever call."""

from sigzoo import hookimpl

SIGZOO_API = 1


@hookimpl
def sigzoo_register_backbone(register: object) -> None:
    """Never called: the hook's name ends in an s."""
    raise AssertionError("called in spite of its name")
