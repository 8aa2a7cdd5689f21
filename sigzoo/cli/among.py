"""What a questioned signature is looked for among, in `find` and `serve`: images, features or an index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.embedding_options import EmbeddingOptions
from sigzoo.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sigzoo.imaging.npz_images import ImageInputs
    from sigzoo.model import SignatureModel
    from sigzoo.search import FeatureIndex
    from sigzoo.verification.gallery import Gallery

__all__ = ["embedded_rows", "index_option", "load_for_index", "open_gallery"]

index_option = click.option(
    "--index",
    "index_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="In place of --among: an index of features by `sigzoo index`.",
)


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
        features = embedded_rows(loaded, inputs, options)
    score = loaded.score if calibration is None else None
    groups = group_files(files, root)
    return loaded, options, Gallery(features, files, groups, provenance["layer"], score, calibration)


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


def embedded_rows(
    model: SignatureModel, inputs: ImageInputs, options: EmbeddingOptions
) -> NDArray[np.float32]:
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
