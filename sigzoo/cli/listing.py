"""`sigzoo list`: which models there are."""

from __future__ import annotations

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table

_AT_HAND = ("bundled", "in the cache", "built")
"""States of models that load without the network."""


@click.command(
    "list",
    cls=HelpfulCommand,
    examples=[
        "sigzoo list",
        "sigzoo list 'signet-f*'",
        "sigzoo list --free --sort features",
    ],
)
@click.argument("pattern", required=False)
@click.option("--free", is_flag=True, help="Only models whose weights may be used commercially.")
@click.option("--cached", is_flag=True, help="Only models that load without the network.")
@click.option("--family", metavar="NAME", help="Only NAME and names that begin with it: signet-f, synsig.")
@click.option(
    "--sort",
    type=click.Choice(["registry", "name", "features"]),
    default="registry",
    show_default=True,
    help="Order: the registry's, but bundled models first; by name; or by the size of the features.",
)
@json_option
def list_command(
    pattern: str | None, free: bool, cached: bool, family: str | None, sort: str, as_json: bool
) -> None:
    """List the models, or those that match a pattern.

    The one marked with * is the default: what commands use where no model is named.
    """
    from sigzoo.zoo import default_zoo

    cards = {
        name: default_zoo().info(name)
        for name in default_zoo().list_models(pattern)
        if family is None or name == family or name.startswith((f"{family}-", f"{family}."))
    }
    if free:
        cards = {name: card for name, card in cards.items() if card.licence.commercial_use}
    if cached:
        cards = {name: card for name, card in cards.items() if state(name) in _AT_HAND}
    if sort == "name":
        cards = dict(sorted(cards.items()))
    elif sort == "registry":  # what is at hand, and needs no network, first
        cards = dict(sorted(cards.items(), key=lambda item: state(item[0]) != "bundled"))
    elif sort == "features":
        cards = dict(sorted(cards.items(), key=lambda item: item[1].features.size))
    if not cards:
        echo("sigzoo: no model matches" + (f" {pattern!r}." if pattern else "."), err=True)
    if as_json:
        print_json([{"name": name, **summary(name)} for name in cards])
        return
    if not cards:
        return
    rows = []
    default = default_zoo().catalogue.default
    for name, card in cards.items():
        use = "any" if card.licence.commercial_use else "non-commercial"
        rows.append(
            [
                f"{name} *" if name == default else name,
                card.summary,
                str(card.features.size),
                use,
                state(name),
            ]
        )
    columns = ["model", "summary", "features", "use", "weights"]
    print_table(columns, rows, right=["features"], below="summary")
    if default in cards:
        echo("* the default: what commands use where no model is named")


def state(name: str) -> str:
    """Where a model's weights stand, in a word or two."""
    from sigzoo import recipes
    from sigzoo.artifacts import locate
    from sigzoo.zoo import default_zoo

    card = default_zoo().info(name)
    missing = default_zoo().missing_distributions(card)
    if missing:
        return f"needs {' and '.join(missing)}"
    if card.weights is None:
        return recipes.build_state(name, default_zoo())
    spec = default_zoo().artifact_spec(card.weights.artifact)
    if spec.urls[0].startswith("package:"):
        return "bundled"
    return "in the cache" if locate(spec) else "to be fetched"


def summary(name: str) -> dict[str, object]:
    """A model's row, for JSON."""
    from sigzoo.zoo import default_zoo

    card = default_zoo().info(name)
    return {
        "summary": card.summary,
        "distribution": card.distribution,
        "features": card.features.size,
        "commercial_use": card.licence.commercial_use,
        "weights": state(name),
        "default": default_zoo().catalogue.default == name,
    }
