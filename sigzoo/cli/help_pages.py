"""Help that is read to the end: purpose, examples, the basic options, those of experts on request."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["HELP_NAMES", "NETWORK", "READING", "ExpertOption", "HelpfulCommand", "HelpfulGroup", "full_help"]

NETWORK = "The network and what it runs on"
READING = "How images are read"
"""Headings of options for experts that several commands have."""

HELP_NAMES = ("-h", "--help")
"""Options that show the help of any command."""

_MOST_NAMED = 16
"""Options of experts that ``--help`` names; of more it says what they are about."""
_EVERYTHING = "sigzoo.help_all"
"""Key of a context's `meta`: whether the experts' options are explained too."""


class ExpertOption(click.Option):
    """An option that most users never need: ``--help`` names it, ``--help-all`` explains it.

    Parameters
    ----------
    group
        The heading under which it stands.
    """

    def __init__(self, *args: Any, group: str = "More options", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.group = group


class HelpfulCommand(click.Command):
    """A command that shows examples after its description, and its basic options before those of experts.

    Parameters
    ----------
    examples
        Lines for a shell; one that is broken by ``\\`` goes on in the next. A test runs each.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its parameters, ``--help-all`` before ``--help`` where there are options of experts."""
        found = super().get_params(ctx)
        if _of_experts(self):
            found.insert(-1, _HELP_ALL)
        return found

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description, and the examples below it."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in "\n".join(self.examples).splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the basic options, then those of experts: explained, or named in a paragraph."""
        experts = _of_experts(self)
        basic = [each for each in self.get_params(ctx) if each not in experts]
        _write_options("Options", basic, ctx, formatter)
        if not experts:
            return
        if not ctx.meta.get(_EVERYTHING):
            _name_options(experts, formatter)
            return
        for group in dict.fromkeys(each.group for each in experts):
            _write_options(group, [each for each in experts if each.group == group], ctx, formatter)


class HelpfulGroup(HelpfulCommand, click.Group):
    """A group of such commands; its help shows the whole first sentence of each."""

    command_class = HelpfulCommand
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order in which they are written."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line or more a command: what it is for is never cut."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, each.get_short_help_str(400)) for name, each in found if each and not each.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def full_help(command: click.Command, words: str) -> str:
    """The help of a command with all its options, as ``--help-all`` prints it; for documentation.

    Parameters
    ----------
    command
        Of this command line, or a plugin's.
    words
        What calls it, such as ``sigzoo train``.
    """
    names = list(HELP_NAMES)  # click asks for a list; a context without a parent inherits none
    context = click.Context(command, info_name=words, terminal_width=80, help_option_names=names)
    context.meta[_EVERYTHING] = True
    return command.get_help(context)


def _of_experts(command: click.Command) -> list[ExpertOption]:
    return [each for each in command.params if isinstance(each, ExpertOption)]


def _write_options(
    title: str, options: Sequence[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    records = (each.get_help_record(ctx) for each in options if isinstance(each, click.Option))
    rows = [row for row in records if row is not None]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def _name_options(experts: Sequence[ExpertOption], formatter: click.HelpFormatter) -> None:
    """Name options that are not explained here, each whole; of many name what they are about."""
    names = [max(each.opts, key=len) for each in experts]
    title = "For experts, explained by --help-all"
    if len(names) > _MOST_NAMED:
        title = f"{len(names)} options for experts, explained by --help-all"
        names = list(dict.fromkeys(each.group for each in experts))
    with formatter.section(title):
        room = max(formatter.width - formatter.current_indent, 20)
        for line in textwrap.wrap(", ".join(names), room, break_on_hyphens=False):
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _show_everything(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Do what ``--help`` does, with all options."""
    if wanted and not ctx.resilient_parsing:
        ctx.meta[_EVERYTHING] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


_HELP_ALL = click.Option(
    ["--help-all"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_everything,
    help="Show the options for experts too and exit.",
)
