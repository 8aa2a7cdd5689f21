"""The command line: `sigzoo COMMAND`, a module each, loaded when it is called."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from typing import NoReturn

import click

import sigzoo
from sigzoo.cli import torch_backends
from sigzoo.cli.failures import WarningPrinter, report
from sigzoo.cli.help_pages import HELP_NAMES, HelpfulGroup
from sigzoo.cli.output import EMPTY, RunState, refuse_empty
from sigzoo.cli.streams import open_standard_streams, settle_standard_streams
from sigzoo.errors import SigzooWarning, UnknownNameError, UsageError
from sigzoo.plugins.builtin import COMMANDS
from sigzoo.plugins.plugin_code_guard import own_process
from sigzoo.zoo import Zoo, default_zoo


class LazyGroup(HelpfulGroup):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands: the core's in the order in which a newcomer meets them, then plugins'."""
        return list(dict.fromkeys([*COMMANDS, *default_zoo().list_components("command")]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; `None` if there is none of that name."""
        if (
            cmd_name in COMMANDS
        ):  # no plugin is loaded for these: one that stalls must not stop `sigzoo plugins`
            module, _, attribute = COMMANDS[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        if cmd_name not in default_zoo().list_components("command"):
            return None
        found: click.Command = default_zoo().component("command", cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; an unknown one gets the nearest names."""
        if args[:1] == [""]:
            raise UsageError(f"The command's name is {EMPTY}")
        if args and args[0] in COMMANDS:
            refuse_empty(args[0], args[1:])
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UnknownNameError("command", args[0], self.list_commands(ctx), "`sigzoo --help` shows all.")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": list(HELP_NAMES)},
    examples=[
        "sigzoo synth -o signatures",
        "sigzoo embed signatures -o features.npz",
        "sigzoo compare signatures",
    ],
)
@click.version_option(sigzoo.__version__, prog_name="sigzoo")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.option(
    "--registry",
    "registries",
    multiple=True,
    type=click.Path(),
    help="A registry of your own models, or the folder of a training run, beside the built-in ones. May be"
    " repeated.",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool, registries: tuple[str, ...]) -> None:
    """The model zoo for offline handwritten signatures: name a model, get features."""
    refuse_empty("sigzoo", [f"--registry={each}" for each in registries])
    if registries:
        ctx.with_resource(Zoo.from_environment(registries).as_default())


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status: 0 done, 1 failed, 2 wrong usage."""
    flags = list(takewhile(lambda each: each != "--", arguments))
    state = RunState(debug="--debug" in flags, as_json="--json" in flags)
    with own_process(), warnings.catch_warnings():
        warnings.simplefilter("always", SigzooWarning)
        warnings.showwarning = WarningPrinter()
        try:
            status = cli.main(args=list(arguments), prog_name="sigzoo", standalone_mode=False, obj=state)
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except (KeyboardInterrupt, Exception) as error:
            return report(error, state)
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """Entry point of the `sigzoo` program; ended from outside, it still removes its temporary files."""
    open_standard_streams()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda which, _: sys.exit(128 + which))
    torch_backends.watch()
    try:
        status = run(sys.argv[1:])
    finally:
        lost = settle_standard_streams()
    sys.exit(status or lost)
