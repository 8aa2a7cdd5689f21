"""`sigzoo new-plugin`: a distribution of your own, to be filled with your network."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json
from sigzoo.scaffold.kinds import KINDS


@click.command(
    "new-plugin",
    cls=HelpfulCommand,
    examples=[
        "sigzoo new-plugin ourlab-sigzoo",
        "sigzoo new-plugin ourlab-losses --kind loss",
    ],
)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    metavar="KIND",
    default="backbone",
    show_default=True,
    help=f"What it provides: {', '.join(KINDS)}. A backbone comes with its preprocessing and a model.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write, which must not exist; ./NAME by default.",
)
@click.option(
    "--like",
    metavar="MODEL",
    help="With --kind models: the model whose network the new ones have; the default model otherwise.",
)
@json_option
def new_plugin(name: str, kind: str, output: Path | None, like: str | None, as_json: bool) -> None:
    """Write a plugin that installs and passes its tests as it is.

    NAME is the distribution's: what `pip install` would be given.
    """
    from sigzoo.scaffold.skeleton import write_plugin

    folder = write_plugin(name, kind, output, like)  # type: ignore[arg-type]
    if as_json:
        print_json({"folder": str(folder), "kind": kind})
        return
    place = shlex.quote(str(folder))
    echo(f"{folder}: a {kind} plugin. Next:")
    echo(f"  python -m pip install -e {shlex.quote(f'{folder}[test]')}")
    echo(f"  sigzoo plugins check {name}")
    echo(f"  python -m pytest {place}")
