"""`sigzoo plugins`: who provides what, and what failed."""

from __future__ import annotations

from typing import Any

import click

from sigzoo.cli.output import json_option, print_json, print_table
from sigzoo.errors import UnknownNameError


@click.command()
@click.argument("name", required=False)
@json_option
def plugins(name: str | None, as_json: bool) -> None:
    """Show the installed plugins, or all of the plugin (distribution) NAME."""
    from sigzoo import plugins as manager
    from sigzoo import zoo

    zoo.catalogue()  # a plugin may fail by its registry alone
    found = manager.manager().plugins
    if name is not None:
        chosen = [each for each in found if manager.normalise(name) in (each.distribution, each.name)]
        if not chosen:
            raise UnknownNameError("plugin", name, [each.distribution for each in found])
        found = chosen
    if as_json:
        print_json([_described(each) for each in found])
    elif name is not None:
        for each in found:
            _show(each)
    else:
        rows = [
            [
                each.distribution,
                each.version,
                "?" if each.api is None else str(each.api),
                _health(each),
                _provides(each),
            ]
            for each in found
        ]
        print_table(["distribution", "version", "api", "health", "provides"], rows)


def _health(plugin: Any) -> str:
    return "healthy" if plugin.healthy else f"left out: {plugin.failure}"


def _provides(plugin: Any) -> str:
    return ", ".join(f"{item.kind} {item.name}" for item in plugin.provides)


def _show(plugin: Any) -> None:
    click.secho(f"{plugin.distribution} {plugin.version}", bold=True)
    click.echo(f"  entry point  {plugin.name}")
    click.echo(f"  api          {'not declared' if plugin.api is None else plugin.api}")
    click.echo(f"  health       {_health(plugin)}")
    for item in plugin.provides:
        click.echo(f"  {item.kind:<12} {item.name} = {item.target} {item.defaults or ''}".rstrip())
    for path in plugin.registries:
        click.echo(f"  registry     {path}")
    if plugin.details:
        click.echo(plugin.details)


def _described(plugin: Any) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.name,
        "api": plugin.api,
        "healthy": plugin.healthy,
        "failure": plugin.failure,
        "details": plugin.details,
        "provides": [
            {"kind": item.kind, "name": item.name, "target": item.target, "defaults": item.defaults}
            for item in plugin.provides
        ],
        "registries": [str(path) for path in plugin.registries],
    }
