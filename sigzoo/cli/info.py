"""`sigzoo info`: all that is known of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.layout import cut, shortened
from sigzoo.cli.output import echo, json_option, print_fields, print_json, print_table
from sigzoo.registry import Artifact, Card, ComponentSpec, Recipe, Result

_NOT_ON_A_SCREEN = frozenset({"from", "provenance", "distribution", "settings", "cost", "score"})
"""Fields that only `--all` shows."""
_LINES = {"trained on": 3, "digest": 3, "to build it": 3, "aliases": 1, "cite": 2, "agreement": 3, "built": 3}
"""Lines of a screen that a field may take; others two."""
_RESULT = 56
"""Columns for what a result was measured on."""
_MOST_RESULTS = 8


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo info synsig-tiny",
        "sigzoo info synsig-tiny --all",
        "sigzoo info signet --json",
    ],
)
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help="Show all that is known, in full length.")
@json_option
def info(name: str, everything: bool, as_json: bool) -> None:
    """Show what is known of a model: use, licences, data, results.

    What a screen holds; --all and --json show everything.
    """
    import msgspec

    from sigzoo.cli.listing import state
    from sigzoo.zoo import default_zoo

    known = default_zoo().catalogue
    name = known.resolve(name)
    card = known.models[name]
    if as_json:
        artifact = _artifact_data(known.artifacts, card.weights.artifact) if card.weights else None
        card_data = msgspec.to_builtins(card)
        built = {"built": _provenance(name)} if card.recipe else {}
        print_json({"name": name, **card_data, "state": state(name), "artifact": artifact, **built})
        return
    lines = {"state": state(name), **_described(card)}
    if name == known.default:
        lines = {"default": "yes: what commands use where no model is named", **lines}
    if card.weights:
        lines.update(_artifact(known.artifacts, card.weights.artifact))
    if card.recipe:
        lines.update(_recipe(name, card.recipe))
    papers = [known.citations[paper] for paper in card.cite]
    cited = [("cite", each.text + (f", doi {each.doi}" if each.doi else "")) for each in papers]
    if everything:
        print_fields(name, [*lines.items(), *cited, *(("result", _result(each)) for each in card.results)])
        return
    shown = [(label, text) for label, text in lines.items() if label not in _NOT_ON_A_SCREEN]
    print_fields(name, [(label, shortened(text, _LINES.get(label, 2))) for label, text in [*shown, *cited]])
    _print_results(card)
    echo()
    echo(f"all of it: sigzoo info {name} --all")
    echo(f"to cite it: sigzoo cite {name}")


def _print_results(card: Card) -> None:
    """Print a line a result of the card's own features; those of other layers are counted."""
    own = [each for each in card.results if each.layer in (None, card.features.layer)]
    if not own:
        return
    rows = [
        [
            f"{each.metric} {each.value:g} {each.unit}",
            f"{each.baseline:g}" if each.baseline is not None else "",
            cut(f"{each.dataset}: {each.protocol}", _RESULT),
        ]
        for each in own[:_MOST_RESULTS]
    ]
    sources = "/".join(dict.fromkeys(each.source for each in own))
    echo()
    print_table(["result", "baseline", f"on ({sources})"], rows, right=["baseline"])
    left = len(card.results) - len(rows)
    if left:
        echo(f"{left} more results of other layers, or by other protocols")


def _described(card: Card) -> dict[str, str]:
    calibration = card.verification
    lines = {
        "summary": card.summary,
        "aliases": ", ".join(card.aliases),
        "distribution": card.distribution,
        "backbone": _component(card.backbone),
        "preprocessor": f"{_component(card.preprocessor)}, uint8 times {card.input_scale:.6g}",
        "score": _component(card.score) if card.score else "",
        "features": f"{card.features.size} from layer {card.features.layer}",
        "heads": ", ".join(f"{name} ({outputs})" for name, outputs in card.heads.items()),
        "trained on": card.trained_on,
        "code licence": card.licence.code,
        "weights licence": card.licence.weights,
        "commercial use": "yes" if card.licence.commercial_use else "no",
        "verification": f"calibrated on {calibration.made_on}" if calibration else "not calibrated",
        "golden cases": str(len(card.golden)) if card.golden else "none published",
        "deprecated": card.deprecated or "",
    }
    return {key: value for key, value in lines.items() if value}


def _recipe(name: str, recipe: Recipe) -> dict[str, str]:
    from sigzoo.recipes import how_to_build
    from sigzoo.zoo import default_zoo

    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings.given().items())
    lines = {
        "recipe": f"{recipe.teacher} through {recipe.data}, loss {_component(recipe.loss)}",
        "settings": settings or "the defaults of `sigzoo distill`",
        **({"cost": recipe.cost} if recipe.cost else {}),
    }
    built = _provenance(name)
    if built is None:
        none_yet = "none: nobody publishes these weights; those of a build have one of their own"
        return {**lines, "digest": none_yet, "to build it": how_to_build(name, default_zoo())}
    agreement = built.get("agreement", {})
    overrides = ", ".join(f"{key} {value}" for key, value in built.get("overrides", {}).items())
    return {
        **lines,
        "built": f"{built.get('built')} by sigzoo {built.get('versions', {}).get('sigzoo')}"
        + (f", with other settings: {overrides}" if overrides else ""),
        "agreement": f"{agreement.get('percent')} % with {recipe.teacher} on {agreement.get('images')} images"
        f" held out (the best constant answer: {agreement.get('constant')} %)",
        "digest": f"SHA-256 {built.get('sha256')}, {built.get('size')} bytes",
    }


def _provenance(name: str) -> dict[str, Any] | None:
    """What was written down when a model was built; `None` where it was not, or that is damaged."""
    from sigzoo.artifacts.built import read_built
    from sigzoo.errors import ArtifactError

    try:
        built = read_built(name)
    except ArtifactError:
        return None
    return None if built is None else built.provenance


def _artifact_data(artifacts: Mapping[str, Artifact], reference: str) -> Any:
    """An artifact's entry as it stands in the registry, its URLs without their secrets."""
    import msgspec

    from sigzoo.common.redaction import redacted

    artifact = artifacts[reference.partition("/")[0]]
    shown = msgspec.structs.replace(artifact, urls=[redacted(url) for url in artifact.urls])
    return msgspec.to_builtins(shown)


def _artifact(artifacts: Mapping[str, Artifact], reference: str) -> dict[str, str]:
    """Where a file comes from and what pins it: an artifact, or one file of a collection or an archive."""
    from sigzoo.artifacts.registered import specs_of
    from sigzoo.common.redaction import redacted

    name, _, file = reference.partition("/")
    [spec] = specs_of(name, artifacts[name], file)
    stated = {"SHA-256": spec.sha256, "git blob": spec.git_blob}
    digest = ", ".join(f"{kind} {value}" for kind, value in stated.items() if value)
    digest = digest or "unpinned: nobody published a digest; the first fetch records one"
    size = f", {spec.size} bytes" if spec.size else ""
    inside = spec.archive.urls if spec.archive is not None else ()
    places = [*spec.urls, *(f"{url} (inside, {spec.archive_member})" for url in inside)]
    return {
        "from": " | ".join(map(redacted, places)),
        "digest": digest + size,
        "provenance": artifacts[name].provenance,
    }


def _component(component: ComponentSpec) -> str:
    options: dict[str, Any] = component.options
    return component.name + (
        f" ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else ""
    )


def _result(result: Result) -> str:
    interval = f" [{result.interval[0]:g}, {result.interval[1]:g}]" if result.interval else ""
    baseline = f" (trivial baseline {result.baseline:g} {result.unit})" if result.baseline is not None else ""
    figure = f"{result.metric} {result.value:g} {result.unit}{interval}{baseline}"
    layer = f"layer {result.layer}, " if result.layer else ""
    return f"{figure} on {result.dataset}, {layer}{result.protocol}; {result.source}: {result.how}"
