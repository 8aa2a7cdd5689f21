"""The command line: `sigzoo COMMAND`, a module each, loaded when it is called."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, TextIO

import click

import sigzoo
from sigzoo.cli import torch_backends
from sigzoo.common.terminal import safe_text
from sigzoo.errors import SigzooError, SigzooWarning, UnknownNameError
from sigzoo.plugins.builtin import COMMANDS
from sigzoo.plugins.plugin_code_guard import own_process
from sigzoo.zoo import Zoo, default_zoo


class LazyGroup(click.Group):
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
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UnknownNameError("command", args[0], self.list_commands(ctx), "`sigzoo --help` shows all.")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sigzoo.__version__, prog_name="sigzoo")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.option(
    "--registry",
    "registries",
    multiple=True,
    type=click.Path(dir_okay=False),
    help="A registry of your own models, beside the built-in ones. May be repeated.",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool, registries: tuple[str, ...]) -> None:
    """The model zoo for offline handwritten signatures: name a model, get features."""
    if registries:
        ctx.with_resource(Zoo.from_environment(registries).as_default())


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status: 0 done, 1 failed, 2 wrong usage."""
    debug = "--debug" in arguments
    with own_process(), warnings.catch_warnings():
        warnings.simplefilter("always", SigzooWarning)
        warnings.showwarning = _show_warning
        try:
            status = cli.main(args=list(arguments), prog_name="sigzoo", standalone_mode=False)
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.ClickException as error:
            return _fail(_usage(error), error.exit_code, debug)
        except SigzooError as error:
            return _fail(str(error), error.exit_code, debug)
        except (KeyboardInterrupt, click.Abort):
            click.echo("sigzoo: interrupted.", err=True)
            return 130
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{error.strerror or error}.", 1, debug)
        except Exception as error:
            hint = (
                ""
                if debug
                else " This is a defect of sigzoo: run again with --debug and report what it shows."
            )
            return _fail(f"unexpected {type(error).__name__}: {error}.{hint}", 1, debug)
    return status if isinstance(status, int) else 0


def _fail(message: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"sigzoo: {safe_text(message, keep_lines=True)}", err=True)
    return status


def _usage(error: click.ClickException) -> str:
    """Click's message in a line, with where to read more."""
    message = error.format_message().replace("\n", " ")
    context = getattr(error, "ctx", None)
    return f"{message} See `{context.command_path} --help`." if context else message


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, SigzooWarning):
        click.echo(f"sigzoo: {safe_text(message, keep_lines=True)}", err=True)


def main() -> NoReturn:
    """Entry point of the `sigzoo` program; ended from outside, it still removes its temporary files."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    torch_backends.watch()
    sys.exit(run(sys.argv[1:]))
