"""What commands share: options, JSON and tables on stdout, files that appear only when whole."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from sigzoo.common import atomic
from sigzoo.errors import SigzooError, UsageError

_F = TypeVar("_F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

model_option = click.option(
    "-m",
    "--model",
    metavar="NAME",
    help="Model to use; without it the bundled default. `sigzoo list` shows all.",
)


def weights_option(command: _F) -> _F:
    """Add ``--weights FILE``."""
    return click.option(
        "--weights",
        type=click.Path(dir_okay=False),
        help="A local weight file in place of the published one.",
    )(command)


def embedding_options(command: _F) -> _F:
    """Add what all commands that compute features take."""
    options = (
        model_option,
        weights_option,
        click.option(
            "--layer", metavar="NAME", help="Layer to take features from; the card's own by default."
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            default=32,
            show_default=True,
            help="Images that go through the network together.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table on stdout, as wide as it needs to be where stdout is no terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    piped = not sys.stdout.isatty()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        justify: Any = "right" if column in right else "left"
        table.add_column(column, justify=justify, no_wrap=piped or column in right, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    if not piped:
        console.print(table)
        return
    widest = console.measure(table, options=console.options.update(width=100_000)).maximum
    plain = Console(highlight=False, width=widest + 1)
    with plain.capture() as captured:
        plain.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def make_folder(path: Path) -> None:
    """Make a folder, with those above it.

    Raises
    ------
    SigzooError
        If that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SigzooError(f"{path}: cannot be made: {error.strerror or error}.") from error


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; the file takes its name only when the block ends well.

    Raises
    ------
    UsageError
        If the folder does not exist.
    SigzooError
        If the file cannot be written.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist.")
    with atomic.whole_file(target, suffix=target.suffix) as file:
        yield Path(file.name)
