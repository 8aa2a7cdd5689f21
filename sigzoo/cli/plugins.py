"""`sigzoo plugins`: who provides what, what failed; `sigzoo plugins check`: does all of it work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table
from sigzoo.errors import PluginError, SigzooError, UsageError

if TYPE_CHECKING:
    from sigzoo.plugins import Plugin
    from sigzoo.plugins.health import Build, ComponentCheck
    from sigzoo.zoo import Zoo

_BUILT_WITH_OPTIONS = frozenset({"backbone", "loss", "preprocessor", "sampler"})
"""Kinds of parts whose options a command takes as KEY=VALUE."""


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo plugins",
        "sigzoo plugins sigzoo",
        "sigzoo plugins check",
    ],
)
@click.argument("words", nargs=-1, metavar="[check] [NAME]")
@json_option
def plugins(words: tuple[str, ...], as_json: bool) -> None:
    """Show the installed plugins, what they provide, what failed.

    With NAME, a distribution, all of that one. With the word 'check', import and build everything that
    they provide, and without NAME the models of your own registries too. Each is first loaded in a
    process of its own, so that one that ends or stalls the program is told by name.
    """
    from sigzoo.zoo import default_zoo

    checking = words[:1] == ("check",)
    names = words[1:] if checking else words
    if len(names) > 1:
        raise UsageError(f"Name one plugin, not {len(names)}: {' '.join(names)}.")
    if checking:
        _check_survival(names)
    zoo = default_zoo()
    zoo.read_catalogue()  # a plugin may fail by its registry alone
    chosen = zoo.manager.of_distribution(names[0]) if names else zoo.manager.plugins
    if checking:
        _check(zoo, chosen, as_json, everything=not names)
    elif as_json:
        print_json([_described(zoo, each) for each in chosen])
    elif names:
        for each in chosen:
            _show(zoo, each)
    else:
        _list(zoo, chosen)


def _list(zoo: Zoo, chosen: Sequence[Plugin]) -> None:
    rows = [
        [each.distribution, each.version, "?" if each.api is None else str(each.api), each.health]
        for each in chosen
    ]
    print_table(["distribution", "version", "api", "health"], rows)
    for each in chosen:
        echo()
        echo(each.distribution, bold=True)
        for label, listed in _by_kind(zoo, each).items():
            echo(f"  {label}: {listed}")


def _by_kind(zoo: Zoo, plugin: Plugin) -> dict[str, str]:
    """What a plugin provides: the kind in the plural, and the names."""
    from sigzoo.plugins.kinds import KINDS

    found = {
        kind.plural.replace("_", " "): ", ".join(
            each.name for each in plugin.provides if each.kind == kind.name
        )
        for kind in KINDS.values()
    }
    found["models"] = ", ".join(_models_of(zoo, plugin))
    return {label: names for label, names in found.items() if names}


def _models_of(zoo: Zoo, plugin: Plugin) -> list[str]:
    """Names of the models that a plugin's registries brought."""
    known = zoo.catalogue
    return [name for name in known.models if plugin.registries and known.origin(name) == plugin.distribution]


def _show(zoo: Zoo, plugin: Plugin) -> None:
    from sigzoo.plugins.kinds import KINDS

    echo(f"{plugin.distribution} {plugin.version}", bold=True)
    echo(f"  entry point  {plugin.name}")
    echo(f"  api          {'not declared' if plugin.api is None else plugin.api}")
    echo(f"  health       {plugin.health}")
    for each in plugin.provides:
        label = KINDS[each.kind].label
        echo(f"  {label:<13} {each.name} = {each.target} {each.defaults or ''}".rstrip())
        options = _options(zoo, each.kind, each.name)
        if options:
            echo(f"  {'':<13}   options: {', '.join(options)}")
    for name in _models_of(zoo, plugin):
        echo(f"  {'model':<13} {name}")
    for path in plugin.registries:
        echo(f"  registry      {path}")
    details = [plugin.details] if plugin.details else [each.details for each in plugin.skipped]
    for text in filter(None, details):
        echo(text)


def _options(zoo: Zoo, kind: str, name: str) -> list[str]:
    """Options that a part may be built with, each with its default; none of one that cannot be imported."""
    from inspect import Parameter, signature

    if kind not in _BUILT_WITH_OPTIONS:
        return []
    try:
        known = signature(zoo.component(kind, name)).parameters.values()
    except (SigzooError, TypeError, ValueError):  # told by `sigzoo plugins check`
        return []
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    optional = (each for each in known if each.kind in named and each.default is not each.empty)
    return [f"{each.name}={each.default}" for each in optional]


def _described(zoo: Zoo, plugin: Plugin) -> dict[str, Any]:
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
                "kind": each.kind,
                "name": each.name,
                "target": each.target,
                "defaults": {key: _as_json(value) for key, value in each.defaults.items()},
            }
            for each in plugin.provides
        ],
        "left_out": [
            {
                "kind": each.component.kind,
                "name": each.component.name,
                "target": each.component.target,
                "reason": each.reason,
                "details": each.details,
            }
            for each in plugin.skipped
        ],
        "models": _models_of(zoo, plugin),
        "registries": [str(path) for path in plugin.registries],
    }


def _as_json(value: Any) -> Any:
    """A default as JSON has it; what JSON does not know, as Python shows it."""
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _check_survival(names: Sequence[str]) -> None:
    """Refuse to go on where a plugin would end or stall this very process."""
    from sigzoo.plugins.discovery import allowed, chosen_plugins, discover
    from sigzoo.plugins.probe import probe

    found, _ = allowed(discover(), names or chosen_plugins())
    problems = probe(found)
    if problems:
        listed = "; ".join(f"{distribution}: {problem}" for distribution, problem in problems.items())
        raise PluginError(f"{listed}. Uninstall it, or leave it out with SIGZOO_PLUGINS.")


def _check(zoo: Zoo, chosen: Sequence[Plugin], as_json: bool, everything: bool) -> None:
    from sigzoo.plugins.health import check, check_models

    outcomes = [check(zoo.manager, chosen, partial(_models, zoo))]
    if everything:
        outcomes += [check_models(path, builds) for path, builds in _models_of_users(zoo).items()]
    results = []
    for result in chain.from_iterable(outcomes):
        results.append(result)
        if not as_json:
            echo(_outcome(result))
    failed = sum(result.failure is not None for result in results)
    if as_json:
        print_json([_checked(result) for result in results])
    else:
        count = "1 thing" if len(results) == 1 else f"{len(results)} things"
        echo(f"{count} checked, {failed} failed")
    if failed:
        raise PluginError(
            f"{failed} of {len(results)} failed; `sigzoo plugins check --json` shows tracebacks."
        )


def _models(zoo: Zoo, plugin: Plugin) -> dict[str, Build]:
    """What builds the parts of each of a plugin's models, by the model's name."""
    from sigzoo.loading import build_parts
    from sigzoo.registry import read_registry

    names = [name for path in plugin.registries for name in read_registry(path).models]
    return {name: partial(build_parts, name, zoo) for name in names}


def _models_of_users(zoo: Zoo) -> dict[str, dict[str, Build]]:
    """The same for the registries that no distribution brings, by the registry's path."""
    from sigzoo.loading import build_parts

    known = zoo.catalogue
    distributions = {plugin.distribution for plugin in zoo.manager.plugins}
    builds: dict[str, dict[str, Build]] = {}
    for name in known.models:
        if known.origin(name) not in distributions:
            builds.setdefault(known.origin(name), {})[name] = partial(build_parts, name, zoo)
    return builds


def _outcome(result: ComponentCheck) -> str:
    what = f"{result.distribution}: {result.kind} {result.name}"
    return f"ok      {what}" if result.failure is None else f"FAILED  {what}: {result.failure}"


def _checked(result: ComponentCheck) -> dict[str, Any]:
    return {
        "distribution": result.distribution,
        "kind": result.kind,
        "name": result.name,
        "ok": result.failure is None,
        "failure": result.failure,
        "details": result.details,
    }
