"""`sigzoo index`: features into an index, in which `sigzoo find` looks for the nearest among millions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json
from sigzoo.common.messages import counted

__all__ = ["index_command"]


@click.command(
    "index",
    cls=HelpfulCommand,
    examples=[
        "sigzoo index features.npz -o index",
        "sigzoo find signatures/w001_g03.png --index index -k 3",
    ],
)
@click.argument("features", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option(
    "--kind",
    type=click.Choice(["exact", "ivf"]),
    default="exact",
    show_default=True,
    help="Compare with all, or sort them into lists of which a search looks into some.",
)
@click.option(
    "--recall",
    cls=ExpertOption,
    group="How it is searched",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.99,
    show_default=True,
    help="For ivf: share of the 10 nearest that a search is to find, as measured on a sample.",
)
@click.option(
    "--lists",
    cls=ExpertOption,
    group="How it is searched",
    type=click.IntRange(min=1),
    help="For ivf: how many lists; by default the square root of the number of images.",
)
@click.option(
    "--metric",
    cls=ExpertOption,
    group="How it is searched",
    type=click.Choice(["cosine", "euclidean"]),
    help="What is near; by default as the model's score compares.",
)
@json_option
def index_command(
    features: tuple[Path, ...],
    output: Path,
    kind: str,
    recall: float,
    lists: int | None,
    metric: str | None,
    as_json: bool,
) -> None:
    """Make an index of features, for searching among millions.

    FEATURES are .npz and .parquet files of `sigzoo embed`, and its folders of shards.
    """
    from dataclasses import asdict

    from sigzoo.common.progress import bar
    from sigzoo.common.terminal import safe_text
    from sigzoo.data.feature_blocks import find_feature_files
    from sigzoo.search import build_index

    files = find_feature_files(features)
    own, weights = _of_model(files.provenance)
    with bar(True, files.count * (2 if kind == "ivf" else 1), "indexing") as step:
        built = build_index(
            files,
            output,
            kind=kind,
            metric=metric or own,  # type: ignore[arg-type]
            part_weights=weights,
            lists=lists,
            recall=recall,
            progress=step,
        )
    if as_json:
        print_json({"output": str(output), **files.provenance, "metric": metric or own, **asdict(built)})
        return
    how = "all are compared"
    if built.kind == "ivf":
        how = (
            f"{built.probes} of {built.lists} lists looked into, recall of the 10 nearest {built.recall:.3f}"
        )
    model, layer = files.provenance["model"], files.provenance["layer"]
    echo(f"{counted(built.count, 'image')} x {built.size} -> {safe_text(output)} ({model} {layer}; {how})")


def _of_model(provenance: Any) -> tuple[str, dict[int, float]]:
    """How the model's score compares: metric, and weights of columns; by cosines if it is not known."""
    from sigzoo.errors import SigzooError
    from sigzoo.verification.scores import make_score
    from sigzoo.zoo import default_zoo

    try:
        card = default_zoo().info(provenance["model"])
    except SigzooError:
        return "cosine", {}
    if card.score is None or card.features.layer != provenance["layer"]:
        return "cosine", {}
    score = make_score(card.score.name, **card.score.options)
    return "euclidean" if score.name == "euclidean" else "cosine", dict(score.part_weights)
