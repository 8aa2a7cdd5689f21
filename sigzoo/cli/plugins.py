"""`sigzoo plugins`: who provides what, what failed; `sigzoo plugins check`: does all of it work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.output import json_option, print_json, print_table
from sigzoo.errors import PluginError, UsageError

if TYPE_CHECKING:
    from sigzoo.plugins import Plugin
    from sigzoo.plugins.health import Attempt, Checked


@click.command()
@click.argument("words", nargs=-1, metavar="[check] [NAME]")
@json_option
def plugins(words: tuple[str, ...], as_json: bool) -> None:
    """Show the installed plugins, or all of the plugin (distribution) NAME.

    With the word 'check', import and build everything that they provide, and without NAME
    the models of your own registries too.
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
        _check(chosen, as_json, everything=not names)
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


def _check(chosen: Sequence[Plugin], as_json: bool, everything: bool) -> None:
    from sigzoo import plugins as manager
    from sigzoo.plugins.health import check, check_models

    outcomes = [check(manager.manager(), chosen, _models)]
    if everything:
        outcomes += [check_models(path, attempts) for path, attempts in _models_of_users().items()]
    results = []
    for result in chain.from_iterable(outcomes):
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


def _models(plugin: Plugin) -> dict[str, Attempt]:
    """What builds the parts of each of a plugin's models, by the model's name."""
    from sigzoo.registry import read_registry

    names = [name for path in plugin.registries for name in read_registry(path).models]
    return {name: partial(_build, name) for name in names}


def _models_of_users() -> dict[str, dict[str, Attempt]]:
    """The same for the registries that no distribution brings, by the registry's path."""
    from sigzoo import plugins as manager
    from sigzoo import zoo

    known = zoo.catalogue()
    distributions = {"sigzoo", *(plugin.distribution for plugin in manager.manager().plugins)}
    attempts: dict[str, dict[str, Attempt]] = {}
    for name in known.models:
        if known.origin(name) not in distributions:
            attempts.setdefault(known.origin(name), {})[name] = partial(_build, name)
    return attempts


def _build(name: str) -> None:
    """Build a model's parts with the options of its card, and see that they belong together."""
    from sigzoo import zoo
    from sigzoo.loading import build_backbone, build_preprocessor, check_parts

    card = zoo.info(name)
    zoo.require_components(name, card)
    check_parts(card, build_backbone(card), build_preprocessor(card))


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
