"""`sigzoo plugins`: who provides what, what failed; `sigzoo plugins check`: does all of it work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.output import json_option, print_json, print_table
from sigzoo.errors import PluginError, UsageError

if TYPE_CHECKING:
    from sigzoo.plugins import Plugin
    from sigzoo.plugins.checking import Checked


@click.command()
@click.argument("words", nargs=-1, metavar="[check] [NAME]")
@json_option
def plugins(words: tuple[str, ...], as_json: bool) -> None:
    """Show the installed plugins, or all of the plugin (distribution) NAME.

    With the word 'check', import and build everything that they provide.
    """
    from sigzoo import plugins as manager
    from sigzoo import zoo

    checking = words[:1] == ("check",)
    names = words[1:] if checking else words
    if len(names) > 1:
        raise UsageError(f"Name one plugin, not {len(names)}: {' '.join(names)}.")
    zoo.catalogue()  # a plugin may fail by its registry alone
    loaded = manager.manager()
    chosen = loaded.of_distribution(names[0]) if names else loaded.plugins
    if checking:
        _check(chosen, as_json)
    elif as_json:
        print_json([_described(each) for each in chosen])
    elif names:
        for each in chosen:
            _show(each)
    else:
        rows = [
            [
                each.distribution,
                each.version,
                "?" if each.api is None else str(each.api),
                each.health,
                ", ".join(f"{item.kind} {item.name}" for item in each.provides),
            ]
            for each in chosen
        ]
        print_table(["distribution", "version", "api", "health", "provides"], rows)


def _show(plugin: Plugin) -> None:
    click.secho(f"{plugin.distribution} {plugin.version}", bold=True)
    click.echo(f"  entry point  {plugin.name}")
    click.echo(f"  api          {'not declared' if plugin.api is None else plugin.api}")
    click.echo(f"  health       {plugin.health}")
    for item in plugin.provides:
        click.echo(f"  {item.kind:<12} {item.name} = {item.target} {item.defaults or ''}".rstrip())
    for path in plugin.registries:
        click.echo(f"  registry     {path}")
    details = (
        [plugin.details] if plugin.details else [each.details for each in plugin.left_out if each.details]
    )
    for text in details:
        click.echo(text)


def _described(plugin: Plugin) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.name,
        "api": plugin.api,
        "healthy": plugin.healthy,
        "failure": plugin.failure,
        "details": plugin.details,
        "provides": [
            {
                "kind": item.kind,
                "name": item.name,
                "target": item.target,
                "defaults": {key: _plain(value) for key, value in item.defaults.items()},
            }
            for item in plugin.provides
        ],
        "left_out": [
            {
                "kind": each.item.kind,
                "name": each.item.name,
                "target": each.item.target,
                "reason": each.reason,
                "details": each.details,
            }
            for each in plugin.left_out
        ],
        "registries": [str(path) for path in plugin.registries],
    }


def _plain(value: Any) -> Any:
    """A default as JSON has it; what JSON does not know, as Python shows it."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _check(chosen: Sequence[Plugin], as_json: bool) -> None:
    from sigzoo import plugins as manager
    from sigzoo.plugins.checking import check

    results = []
    for result in check(manager.manager(), chosen, _models):
        results.append(result)
        if not as_json:
            click.echo(_outcome(result))
    failed = sum(result.failure is not None for result in results)
    if as_json:
        print_json([_checked(result) for result in results])
    else:
        count = "1 thing" if len(results) == 1 else f"{len(results)} things"
        click.echo(f"{count} checked, {failed} failed")
    if failed:
        raise PluginError(
            f"{failed} of {len(results)} failed; `sigzoo plugins check --json` shows tracebacks."
        )


def _models(plugin: Plugin) -> dict[str, Any]:
    """What builds the parts of each of a plugin's models, with the options of its card."""
    from sigzoo import zoo
    from sigzoo.loading import build_backbone, build_preprocessor
    from sigzoo.registry import read_registry

    def attempt(name: str) -> None:
        card = zoo.info(name)
        zoo.require_components(name, card)
        build_backbone(card)
        build_preprocessor(card)

    names = [name for path in plugin.registries for name in read_registry(path).models]
    return {name: partial(attempt, name) for name in names}


def _outcome(result: Checked) -> str:
    what = f"{result.distribution}: {result.kind} {result.name}"
    return f"ok      {what}" if result.failure is None else f"FAILED  {what}: {result.failure}"


def _checked(result: Checked) -> dict[str, Any]:
    return {
        "distribution": result.distribution,
        "kind": result.kind,
        "name": result.name,
        "ok": result.failure is None,
        "failure": result.failure,
        "details": result.details,
    }
