"""A page for each command, from what click knows of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from generators.pages import Pages, escaped
from sigzoo.cli import cli

__all__ = ["add_to"]

_WIDTH = 200
"""No line of a description is broken by click."""


def add_to(pages: Pages) -> None:
    """Add a page for each command, those of groups below it, and the list of all."""
    context = click.Context(cli, info_name="sigzoo")
    rows = ["# Commands", "", _described(cli), *_options(cli, context), "## All commands", ""]
    names = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is None or command.hidden:
            continue
        place = f"reference/commands/sigzoo-{name}.md"  # a command may be called `index`
        pages.files[place] = _page(command, name, context)
        names.append({name: place})
        rows += [
            f"[`sigzoo {name}`](sigzoo-{name}.md)",
            f":   {escaped(command.get_short_help_str(400))}",
            "",
        ]
    pages.files["reference/commands/index.md"] = "\n".join(rows)
    pages.groups["commands"] = ["reference/commands/index.md", *names]


def _page(command: click.Command, name: str, parent: click.Context) -> str:
    return "\n".join(_lines(command, name, parent, level=1))


def _lines(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=_WIDTH)
    yield f"{'#' * level} `{context.command_path}`\n"
    yield f"```text\n{_usage(command, context)}\n```\n"
    yield _described(command)
    examples = getattr(command, "examples", ())
    if examples:
        lines = "\n".join(examples)
        yield f"```bash\n{lines}\n```\n"
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            if inner is not None and not inner.hidden:
                yield from _lines(inner, each, context, level + 1)


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _described(command: click.Command) -> str:
    """The description: paragraphs, and what is not to be wrapped as it stands."""
    found = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.lstrip().startswith("\b"):
            found.append("```text\n" + paragraph.lstrip().removeprefix("\b").strip("\n") + "\n```")
        else:
            found.append(escaped(re.sub(r"\s+", " ", paragraph)))
    return "\n\n".join(found) + "\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The options under the headings that the command gives them."""
    grouped: dict[str, list[click.Parameter]] = {}
    for each in command.get_params(context):
        if not isinstance(each, click.Argument):  # the description says what these are
            grouped.setdefault(getattr(each, "group", "Options"), []).append(each)
    for heading, parameters in grouped.items():
        records = [each for each in (one.get_help_record(context) for one in parameters) if each is not None]
        if records:
            yield f"**{heading}**\n"
            for names, help_text in records:
                yield f"`{names}`\n:   {escaped(help_text)}\n"
