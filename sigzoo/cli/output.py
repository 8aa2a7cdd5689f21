"""What commands share: options, JSON and tables on stdout, files that appear only when whole."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click

from sigzoo.cli.help_pages import NETWORK, ExpertOption
from sigzoo.cli.streams import is_terminal, silence, width_of
from sigzoo.common import atomic
from sigzoo.common.terminal import safe_text
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
        cls=ExpertOption,
        group=NETWORK,
        type=click.Path(dir_okay=False),
        help="A local weight file in place of the published one.",
    )(command)


EMPTY = "an empty text: a variable of the shell that is not set?"


def refuse_empty(command: str, arguments: Sequence[str]) -> None:
    """Refuse an argument, or an option's value, that is an empty text.

    It must not mean this folder, everything, or the default.

    Raises
    ------
    UsageError
        If there is one; names the option or the place.
    """
    previous = ""
    for place, argument in enumerate(arguments, start=1):
        option, equals, value = argument.partition("=")
        if equals and not value and option.startswith("--"):
            raise UsageError(f"{option} of `{command}` is {EMPTY}")
        if not argument.strip():
            named = previous if previous.startswith("-") and previous != "--" else f"argument {place}"
            raise UsageError(f"{named} of `{command}` is {EMPTY}")
        previous = argument


@dataclass
class RunState:
    """What a run of the command line knows of itself; click's context carries it as its object."""

    debug: bool = False
    as_json: bool = False
    json_printed: bool = False


def echo(text: object = "", *, err: bool = False, bold: bool = False) -> None:
    """Print text on stdout or stderr: what commands use in place of `click.echo`.

    Whatever would steer a terminal is shown as its escape, and so is what the stream's encoding lacks; on
    a terminal long lines are broken between words. A reader that has gone ends nothing: what would
    still be printed is dropped.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    lines = safe_text(text, keep_lines=True).split("\n")
    columns = width_of(stream)
    if columns is not None:
        lines = [part for line in lines for part in _broken(line, columns)]
    encoding = getattr(stream, "encoding", None) or "utf-8"
    plain = "\n".join(lines).encode(encoding, "backslashreplace").decode(encoding)
    try:
        click.echo(click.style(plain, bold=True) if bold and _may_style() else plain, file=stream)
    except BrokenPipeError:
        silence(stream)


def _may_style() -> bool:
    """Whether the user wants anything but plain text: see no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def echo_path(path: Path) -> None:
    """Print a path for a program to read: its own bytes, but on a terminal as `echo` does."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or is_terminal(sys.stdout):
        echo(path)
        return
    try:
        sys.stdout.flush()
        buffer.write(os.fsencode(path) + b"\n")
        buffer.flush()
    except BrokenPipeError:
        silence(sys.stdout)


def print_json(value: Any) -> None:
    """Print a value as JSON: numbers of float32 as short as they are exact, `null` for what is none."""
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, RunState):
        context.obj.json_printed = True
    if sys.stdout is None:
        return
    value = _as_json(value)
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        safe = text == safe_text(text, keep_lines=True)
    except UnicodeEncodeError:
        safe = False
    try:
        click.echo(text if safe else json.dumps(value, indent=2, allow_nan=False), file=sys.stdout)
    except BrokenPipeError:
        silence(sys.stdout)


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy":  # numpy need not be imported for this
        return _as_json(list(value) if getattr(value, "ndim", 0) else _number(value))
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _number(scalar: Any) -> Any:
    """A numpy scalar as Python's, a float of any size by its shortest digits."""
    return float(str(scalar)) if scalar.dtype.kind == "f" else scalar.item()


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    below: str | None = None,
) -> None:
    """Print a table on stdout; see `table_lines` for what a narrow terminal gets."""
    from sigzoo.cli.layout import table_lines

    cells = [[safe_text(cell) for cell in row] for row in rows]
    head, *lines = table_lines(
        [safe_text(each) for each in columns], cells, right, below, width_of(sys.stdout)
    )
    if head.strip():
        echo(head, bold=True)
    elif head:
        echo()
    for line in lines:
        echo(line)


def print_fields(title: str, fields: Iterable[tuple[str, str]]) -> None:
    """Print what is known of a thing: its name, and a label and a value a line."""
    from sigzoo.cli.layout import field_lines

    echo(safe_text(title), bold=True)
    known = [(label, safe_text(value)) for label, value in fields]
    for line in field_lines(known, width_of(sys.stdout)):
        echo(line)


def _broken(line: str, columns: int) -> list[str]:
    if len(line) * 2 <= columns:  # no letter is wider than two columns
        return [line]
    from sigzoo.cli.layout import wrapped

    indent = line[: len(line) - len(line.lstrip())]
    return wrapped(line[len(indent) :], columns, indent, f"{indent}  ")


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
