"""A page for each model, from its card: what, how to load it, licences, training data, results, citation."""

from __future__ import annotations

from collections.abc import Iterator

from generators.pages import Pages, escaped, one_line
from sigzoo.artifacts.registered import specs_of
from sigzoo.common.redaction import redacted
from sigzoo.registry import Card, Catalogue, ComponentSpec, Result
from sigzoo.registry.bibtex import bibtex
from sigzoo.zoo import Zoo

__all__ = ["add_to"]

PLUGINS = ["sigzoo-signet", "sigzoo-spp", "sigzoo-students", "sigzoo-community"]


def add_to(pages: Pages) -> None:
    """Add a page for each model of this repository, and the list of them."""
    zoo = Zoo(plugins=PLUGINS)
    known = zoo.catalogue
    rows = [
        "# Models",
        "",
        "A page a model, made from its card; in the terminal `sigzoo info NAME` says the same. "
        "[Which one to take](../../choose-a-model.md).",
        "",
        "| model | what | features | use |",
        "|---|---|---|---|",
    ]
    entries = []
    for name in known.search():
        card = known.models[name]
        place = f"reference/models/{name}.md"
        pages.files[place] = "\n".join(_lines(zoo, name, card))
        entries.append({name: place})
        use = "any" if card.licence.commercial_use else "non-commercial"
        rows.append(f"| [{name}]({name}.md) | {one_line(card.summary)} | {card.features.size} | {use} |")
    pages.files["reference/models/index.md"] = "\n".join(rows) + "\n"
    pages.groups["models"] = ["reference/models/index.md", *entries]


def _lines(zoo: Zoo, name: str, card: Card) -> Iterator[str]:
    known = zoo.catalogue
    yield f"# `{name}`\n\n{escaped(card.summary)}\n"
    if card.deprecated:
        yield f'!!! warning "Deprecated"\n    {escaped(card.deprecated)}\n'
    yield f'```python\nimport sigzoo\n\nmodel = sigzoo.load("{name}")\n```\n'
    yield "\n".join(
        ["| | |", "|---|---|", *(f"| {key} | {one_line(value)} |" for key, value in _facts(zoo, name, card))]
    )
    yield "\n"
    if card.results:
        yield "## Results\n"
        yield "| data set | protocol | figure | baseline | source |\n|---|---|---|---|---|"
        for each in card.results:
            yield _result(each)
        yield ""
    if card.golden:
        yield "## Golden numbers\n\n`sigzoo check` compares, with these tolerances:\n"
        yield "| what | images | tolerance | published |\n|---|---|---|---|"
        for case in card.golden:
            source = one_line(escaped(case.source))
            yield f"| {case.kind} | {len(case.images)} | {case.tolerance:g} | {source} |"
        yield ""
    if card.cite:
        yield "## To cite\n"
        entries = "\n\n".join(bibtex(key, known.citations[key]) for key in card.cite)
        yield f"`sigzoo cite {name}` prints\n\n```text\n{entries}\n```\n"


def _facts(zoo: Zoo, name: str, card: Card) -> Iterator[tuple[str, str]]:
    known = zoo.catalogue
    backbone = zoo.backbone(card.backbone.name, **card.backbone.options)
    size = backbone.input_size
    yield "backbone", _component(card.backbone)
    yield "preprocessing", f"{_component(card.preprocessor)}, uint8 times {card.input_scale:.6g}"
    yield "input of the network", "any size" if size is None else f"{size[0]} x {size[1]} pixels"
    yield "features", f"{card.features.size}, of the layer `{card.features.layer}`"
    yield "layers", ", ".join(f"`{layer}`" for layer in backbone.layers)
    if card.heads:
        yield "heads", ", ".join(f"{head}: {outputs} outputs" for head, outputs in card.heads.items())
    yield "trained on", escaped(card.trained_on)
    yield "licence of the code", escaped(card.licence.code)
    yield "licence of the weights", escaped(card.licence.weights)
    yield "commercial use", "yes" if card.licence.commercial_use else "no"
    calibration = card.verification
    yield (
        "verification",
        f"calibrated on {escaped(calibration.made_on)}" if calibration else "not calibrated: scores alone",
    )
    if card.aliases:
        yield "also called", ", ".join(f"`{alias}`" for alias in card.aliases)
    yield "distribution", f"`{card.distribution}`"
    yield from _weights(known, name, card)


def _weights(known: Catalogue, name: str, card: Card) -> Iterator[tuple[str, str]]:
    if card.weights is None:
        yield "weights", f"nobody publishes them: `sigzoo build {name}` makes them"
        return
    artifact, _, file = card.weights.artifact.partition("/")
    (spec,) = specs_of(artifact, known.artifacts[artifact], file)
    yield "weights", f"`{card.weights.format}`" + (f", {spec.size / 1e6:.1f} MB" if spec.size else "")
    inside = spec.archive.urls if spec.archive is not None else ()
    yield "from", "<br>".join(f"`{redacted(url)}`" for url in (*spec.urls, *inside))
    digests = {"SHA-256": spec.sha256, "git blob": spec.git_blob}
    stated = ", ".join(f"{kind} `{value}`" for kind, value in digests.items() if value)
    yield "digest", stated or "none was published: the first fetch records one"
    yield "provenance", escaped(known.artifacts[artifact].provenance)


def _component(part: ComponentSpec) -> str:
    options = ", ".join(f"{key} {value}" for key, value in part.options.items())
    return f"`{part.name}`" + (f" ({options})" if options else "")


def _result(result: Result) -> str:
    interval = f" [{result.interval[0]:g}, {result.interval[1]:g}]" if result.interval else ""
    layer = f", layer `{result.layer}`" if result.layer else ""
    baseline = "" if result.baseline is None else f"{result.baseline:g} {result.unit}"
    cells = [
        escaped(result.dataset),
        escaped(result.protocol) + layer,
        f"{result.metric} {result.value:g} {result.unit}{interval}",
        baseline,
        f"{result.source}: {escaped(result.how)}",
    ]
    return f"| {' | '.join(one_line(cell) for cell in cells)} |"
