"""`sigzoo find`: which writer of a folder a questioned signature goes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table
from sigzoo.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sigzoo.imaging.npz_images import ImageInputs
    from sigzoo.model import SignatureModel
    from sigzoo.search import FeatureIndex
    from sigzoo.verification.gallery import Gallery
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
@click.option(
    "--index",
    "index_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="In place of --among: an index of features by `sigzoo index`.",
)
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
    features = _embedded(loaded, asked, options)
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


def open_gallery(
    among: Path, options: EmbeddingOptions, asked: ImageInputs
) -> tuple[SignatureModel, EmbeddingOptions, Gallery]:
    """Load the model, and the signatures among which it is looked: a folder's, or features in an npz.

    Returns
    -------
    model, options, gallery
        The options name the gallery's layer, so that `asked` is embedded alike.

    Raises
    ------
    UsageError
        If stored features are not the model's.
    """
    from sigzoo.data.stored_features import read_features
    from sigzoo.imaging.npz_images import find_inputs
    from sigzoo.verification.gallery import Gallery
    from sigzoo.verification.ranking import group_files
    from sigzoo.verification.verification import fitting_calibration

    stored = read_features(among) if among.suffix.lower() == ".npz" else None
    if stored is not None:
        options = replace(
            options,
            model=options.model or stored.provenance["model"],
            layer=options.layer or stored.provenance["layer"],
        )
    loaded = options.load(asked)
    calibration, provenance, _ = fitting_calibration(loaded, loaded.calibration_file, options.layer)
    options = replace(options, layer=provenance["layer"])
    if stored is not None:
        _check_same(stored.provenance, provenance, among)
        features, files, root = stored.features, stored.files, None
    else:
        inputs = find_inputs([among])
        files, root = tuple(map(str, inputs.paths)), str(among)
        features = _embedded(loaded, inputs, options)
    score = loaded.score if calibration is None else None
    groups = group_files(files, root)
    return loaded, options, Gallery(features, files, groups, provenance["layer"], score, calibration)


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
        found = index.search(_embedded(loaded, asked, options), most, probes=probes)
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


def load_for_index(
    index: FeatureIndex, options: EmbeddingOptions, asked: ImageInputs
) -> tuple[SignatureModel, EmbeddingOptions]:
    """Load the model that an index is of; the options then name its layer.

    Raises
    ------
    UsageError
        If the index is of another model than the options name.
    DataError
        If it does not say of which.
    """
    from sigzoo.data.stored_features import PROVENANCE

    known = {key: index.facts.provenance.get(key) for key in PROVENANCE}
    if not isinstance(known["model"], str) or not isinstance(known["layer"], str):
        raise DataError(f"{index.folder}: does not say which model its features are of.")
    options = replace(options, model=options.model or known["model"], layer=options.layer or known["layer"])
    loaded = options.load(asked)
    _check_same(known, loaded.provenance(options.layer), index.folder)
    return loaded, options


def _embedded(model: SignatureModel, inputs: ImageInputs, options: EmbeddingOptions) -> NDArray[np.float32]:
    """Features of images as vectors, float32 ``(N, D)``."""
    features = model.embed(inputs.sources, progress=True, **options.embedding(inputs, model))
    return features.reshape(len(features), -1)


def _check_same(stored: dict[str, Any], mine: dict[str, Any], path: Path) -> None:
    """Refuse features that do not depend on the same things.

    Raises
    ------
    UsageError
        If they do not; names what differs.
    """
    differing = [key.replace("_", " ") for key, value in stored.items() if mine[key] != value]
    if differing:
        raise UsageError(
            f"{path}: its features are of another {' and '.join(differing)} than those of the questioned"
            " signature; embed the images again."
        )


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
