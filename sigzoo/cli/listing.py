"""`sigzoo list`: which models there are."""

from __future__ import annotations

import click

from sigzoo.cli.output import echo, json_option, print_json, print_table


@click.command("list")
@click.argument("pattern", required=False)
@json_option
def list_command(pattern: str | None, as_json: bool) -> None:
    """List the models, or those that PATTERN matches (for instance 'signet-f*').

    The one marked with * is the default: what commands use where no model is named.
    """
    from sigzoo.zoo import default_zoo

    cards = {name: default_zoo().info(name) for name in default_zoo().list_models(pattern)}
    if not cards:
        echo(f"sigzoo: no model matches {pattern!r}.", err=True)
    if as_json:
        print_json([{"name": name, **summary(name)} for name in cards])
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
