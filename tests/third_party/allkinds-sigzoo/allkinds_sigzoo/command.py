"""The command: lists the models that may be used commercially."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("allkinds")
@click.argument("pattern", required=False)
@click.option("--count", is_flag=True, help="Show how many there are, not which.")
def command(pattern: str | None, count: bool) -> None:
    """List the models that may be used commercially.

    With PATTERN those of them that match it.
    """
    # Imported here: the help of all commands must not wait for it.
    import sigzoo

    names = [name for name in sigzoo.list_models(pattern) if sigzoo.info(name).licence.commercial_use]
    click.echo(len(names) if count else "\n".join(names))
