"""What every command must do: have a name and a help, show it at once, and fail in a line."""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from click.testing import CliRunner

from sigzoo.testing.suites import Suite, expect

__all__ = ["COMMAND", "CommandCase", "check_command"]

_SHORTEST_HELP = 10
_LONGEST_PURPOSE = 62
"""Letters of the first sentence, which `sigzoo --help` shows in a line of 80 columns beside the name."""


@dataclass(frozen=True)
class CommandCase:
    """A command under test, and the name under which `sigzoo` has it."""

    command: click.Command
    name: str
    target: str | None = None
    """Where a plugin registers it: ``"package.module:name"``."""


COMMAND: Suite[CommandCase] = Suite()


def check_command(
    command: click.Command, name: str, *, target: str | None = None, skip: tuple[str, ...] = ()
) -> None:
    """Check a command that a plugin adds to `sigzoo`.

    Parameters
    ----------
    command
        The command.
    name
        The name that it is registered under.
    target
        Where it is, ``"package.module:name"``; without it what its import imports is not checked.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.COMMAND.checks``.

    Raises
    ------
    ConformanceFailure
        If it does not conform; a line for each check that failed.
    """
    COMMAND.run(CommandCase(command, name, target), f"The command {name}", skip)


@COMMAND.check
def declarations(case: CommandCase) -> None:
    """It is a `click.Command` of the registered name, with a help."""
    expect(
        isinstance(case.command, click.Command),
        f"is a {type(case.command).__name__}, expected a click.Command",
    )
    expect(
        case.command.name == case.name, f"its own name is {case.command.name!r}, registered is {case.name!r}"
    )
    text = (case.command.help or "").strip()
    expect(len(text) >= _SHORTEST_HELP, "has no help: write a docstring, the first line of `sigzoo --help`")
    purpose = case.command.get_short_help_str(limit=1000)
    expect(
        len(purpose) <= _LONGEST_PURPOSE,
        f"its first sentence has {len(purpose)} letters; `sigzoo --help` has a line of {_LONGEST_PURPOSE}",
    )


@COMMAND.check
def shows_help(case: CommandCase) -> None:
    """``--help`` of it and of its subcommands shows the help and does nothing else."""
    for command, words in _commands(case.command, []):
        with TemporaryDirectory() as folder, chdir(folder):
            done = CliRunner().invoke(case.command, [*words, "--help"], prog_name=f"sigzoo {case.name}")
            left = sorted(each.name for each in Path.cwd().iterdir())
        shown = " ".join([case.name, *words])
        expect(done.exit_code == 0, f"`sigzoo {shown} --help` ends with {done.exit_code}: {done.exception!r}")
        expect("Usage:" in done.output, f"`sigzoo {shown} --help` shows no usage")
        expect(not left, f"`sigzoo {shown} --help` writes {', '.join(left)}")
        undescribed = [
            each.name
            for each in command.params
            if isinstance(each, click.Option) and not each.help and not each.hidden
        ]
        expect(
            not undescribed, f"`sigzoo {shown}`: no help for the options {', '.join(map(str, undescribed))}"
        )


@COMMAND.check
def wrong_option(case: CommandCase) -> None:
    """An option that it does not have is an error of usage."""
    with TemporaryDirectory() as folder, chdir(folder):
        done = CliRunner().invoke(case.command, ["--no-such-option-of-it"], prog_name=f"sigzoo {case.name}")
    expect(done.exit_code == 2, f"an unknown option ends with {done.exit_code}, expected 2")


@COMMAND.check
def light_import(case: CommandCase) -> None:
    """Its module imports no torch: the help of all commands would wait for it."""
    if case.target is None:
        return
    module = case.target.partition(":")[0]
    code = "import sys; sys.path[:] = sys.argv[2:]; __import__(sys.argv[1]); sys.exit('torch' in sys.modules)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, module, *sys.path], capture_output=True, text=True, check=False
    )
    expect("Traceback" not in done.stderr, f"import {module}: {done.stderr.strip().splitlines()[-1:]}")
    expect(done.returncode == 0, f"import {module} imports torch: import it inside of the function")
    expect(not done.stdout, f"import {module} prints {done.stdout[:100]!r}")


def _commands(command: click.Command, words: list[str]) -> list[tuple[click.Command, list[str]]]:
    """A command, and those below it, with the words that lead there."""
    found = [(command, words)]
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            found += _commands(below, [*words, name])
    return found
