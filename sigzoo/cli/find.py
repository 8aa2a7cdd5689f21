"""`sigzoo find`: which writer of a folder a questioned signature goes with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.among import embedded_rows, index_option, load_for_index, open_gallery
from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table
from sigzoo.errors import UsageError

if TYPE_CHECKING:
    from sigzoo.model import SignatureModel
    from sigzoo.verification.ranking import Candidate


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo find signatures/w001_g03.png --among signatures -k 3",
    ],
)
@click.argument("questioned", nargs=-1, required=True)
@click.option(
    "--among",
    type=click.Path(exists=True, path_type=Path),
    help="A folder of images, or of a folder for each writer; or an .npz of features by `sigzoo embed`.",
)
@index_option
@click.option(
    "--probes",
    cls=ExpertOption,
    group="How an index is searched",
    type=click.IntRange(min=1),
    help="Lists of the index to look into; more find more of the nearest and take longer.",
)
@click.option(
    "-k",
    "--most",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Candidates that are listed.",
)
@embedding_options
@json_option
def find(
    questioned: tuple[str, ...],
    among: Path | None,
    index_folder: Path | None,
    probes: int | None,
    most: int,
    options: EmbeddingOptions,
    as_json: bool,
) -> None:
    """Rank the writers of a folder by how well a signature fits.

    A folder in it is a writer, and all images below it are taken for that writer's own (where it
    holds a folder `genuine`, those alone); an image that lies in it directly stands for itself. The
    first of a ranking need not be the writer: that may be somebody who is not there.

    With --index the nearest single images among those of an index are listed, which may be millions.
    """
    if (among is None) == (index_folder is None):
        raise UsageError("Where to look is said by one of --among and --index.")
    if index_folder is not None:
        _find_in_index(questioned, index_folder, probes, most, options, as_json)
        return
    if probes is not None:
        raise UsageError("--probes is about an index: --index FOLDER.")
    assert among is not None
    _rank_among(questioned, among, most, options, as_json)


def _rank_among(
    questioned: tuple[str, ...], among: Path, most: int, options: EmbeddingOptions, as_json: bool
) -> None:
    """Rank the writers of a folder, or of a file of features."""
    from sigzoo.imaging.npz_images import find_inputs
    from sigzoo.verification.ranking import ranking_data

    asked = find_inputs(questioned)
    loaded, options, gallery = open_gallery(among, options, asked)
    features = embedded_rows(loaded, asked, options)
    found = []
    for name, row in zip(asked.names, features, strict=True):
        ranking, left_out = gallery.rank(row)
        if left_out:
            echo(f"sigzoo: {name}: left out as the same image: {', '.join(left_out)}", err=True)
        found.append((name, ranking))
    if as_json:
        print_json({"model": loaded.name, "layer": gallery.layer, "found": ranking_data(found, most)})
    else:
        for name, ranking in found:
            _print(name, ranking, most, loaded, gallery.layer)


def _find_in_index(
    questioned: tuple[str, ...],
    folder: Path,
    probes: int | None,
    most: int,
    options: EmbeddingOptions,
    as_json: bool,
) -> None:
    """List the nearest images of an index."""
    from sigzoo.imaging.npz_images import find_inputs
    from sigzoo.search import matches_data, open_index

    asked = find_inputs(questioned)
    with open_index(folder) as index:
        facts = index.facts
        loaded, options = load_for_index(index, options, asked)
        found = index.search(embedded_rows(loaded, asked, options), most, probes=probes)
        recall = index.recall(probes)
    names = asked.names
    if as_json:
        about = {"model": loaded.name, "layer": options.layer, "metric": facts.metric}
        listed = matches_data(names, found)
        print_json({**about, "compared": facts.count, "recall": recall, "found": listed})
        return
    sure = "" if recall == 1 else f", {recall:.1%} of the nearest found as measured" if recall else ""
    for name, row in zip(names, found, strict=True):
        echo(f"{name}: nearest of {facts.count:,}, by {loaded.name}, layer {options.layer}{sure}")
        further = list(row[0].columns) if row else []
        cells = [
            [
                str(rank),
                f"{each.similarity:.3f}",
                *(str(each.columns.get(column, "")) for column in further),
                each.path,
            ]
            for rank, each in enumerate(row, 1)
        ]
        columns = ["", "similarity" if facts.metric == "cosine" else "-distance", *further, "image"]
        print_table(columns, cells, right=columns[:2], below="image")


def _print(name: str, ranking: Sequence[Candidate], most: int, model: SignatureModel, layer: str) -> None:
    echo(f"{name}: {len(ranking)} compared, by {model.name}, layer {layer}")
    rows = [
        [
            str(rank),
            each.name,
            f"{each.score:.3f}",
            "" if each.log10_lr is None else f"{each.log10_lr:+.2f}",
            str(len(each.references)),
            each.nearest,
        ]
        for rank, each in enumerate(ranking[:most], 1)
    ]
    columns = ["", "candidate", "score", "log10 LR", "images", "nearest"]
    print_table(columns, rows, right=["", "score", "log10 LR", "images"], below="nearest")
