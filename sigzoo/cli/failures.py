"""What a run ends with when something goes wrong: a line or two on stderr, JSON where it was asked for."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

import click

from sigzoo.cli.output import RunState, echo, print_json
from sigzoo.errors import SigzooError, SigzooWarning

__all__ = ["Failure", "WarningPrinter", "failure_of", "report"]

_MAX_LINES, _MAX_LETTERS = 24, 2000
"""Of a message: whatever lists many things says more in JSON."""

_HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click raises from 8.2 on where a group is called without arguments; before that it prints the help."""


@dataclass(frozen=True)
class Failure:
    """Why a run ended, and its exit status."""

    kind: str
    message: str
    status: int


def failure_of(error: BaseException, debug: bool) -> Failure:
    """Describe an error for a person."""
    kind = type(error).__name__
    match error:
        case click.ClickException():
            return Failure("UsageError", _usage(error), error.exit_code)
        case SigzooError():
            return Failure(kind, str(error), error.exit_code)
        case KeyboardInterrupt() | click.Abort():
            return Failure("Interrupted", "interrupted.", 130)
        case MemoryError():
            return Failure(kind, "there is not enough memory for this; take smaller batches or images.", 1)
        case UnicodeError():
            return Failure(
                "UsageError", f"a text or a name that is no UTF-8 cannot be used here: {error}.", 2
            )
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return Failure(kind, f"{where}{error.strerror or error}.", 1)
    hint = "" if debug else " This is a defect of sigzoo: run again with --debug and report what it shows."
    return Failure(kind, f"unexpected {kind}: {error}.{hint}", 1)


def report(error: BaseException, state: RunState) -> int:
    """Tell what went wrong; return the exit status.

    With ``--json`` stdout holds one document in any case: what the command printed, or ``error``.
    """
    if isinstance(error, _HELP):
        echo(error.ctx.get_help())
        return int(error.exit_code)
    failure = failure_of(error, state.debug)
    if state.debug:
        traceback.print_exception(error)
    echo(_message(failure.message), err=True)
    if state.as_json and not state.json_printed:
        told = {"kind": failure.kind, "message": _bounded(failure.message), "status": failure.status}
        print_json({"error": told})
    return failure.status


class WarningPrinter:
    """Prints warnings of sigzoo's on stderr, each once, and nothing of anyone else's."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def __call__(self, message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        """Print one; what `warnings.showwarning` is called with."""
        text = _message(str(message))
        if issubclass(category, SigzooWarning) and text not in self._shown:
            self._shown.add(text)
            echo(text, err=True)


def _message(text: str) -> str:
    """A message whose later lines cannot be taken for messages of their own."""
    first, *more = _bounded(text).split("\n")
    return "\n".join([f"sigzoo: {first}", *(f"  {line.lstrip()}" for line in more)])


def _bounded(text: str) -> str:
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        lines = [*lines[:_MAX_LINES], f"... and {len(lines) - _MAX_LINES:,} lines more"]
    return "\n".join(_short(line) for line in lines)


def _short(line: str) -> str:
    if len(line) <= _MAX_LETTERS:
        return line
    half = _MAX_LETTERS // 2
    return f"{line[:half]} ... {line[-half:]}"


def _usage(error: click.ClickException) -> str:
    """Click's message in a line, with where to read more."""
    message = error.format_message().replace("\n", " ")
    context = getattr(error, "ctx", None)
    return f"{message} See `{context.command_path} --help`." if context else message
