"""`sigzoo compare`: which of some signature images belong together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.output import embedding_options, json_option, print_json, print_table, whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command()
@click.argument("images", nargs=-1, required=True)
@embedding_options
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the thumbnails along a heat map of the distances into this file (.png, .pdf, .svg).",
)
@json_option
def compare(
    images: tuple[str, ...],
    model: str | None,
    weights: str | None,
    layer: str | None,
    batch_size: int,
    device: str,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Print the Euclidean distances between the features of IMAGES: files, folders, wildcards."""
    from sigzoo import distances, load
    from sigzoo.errors import UsageError
    from sigzoo.imaging import find_images
    from sigzoo.imaging.figures import check_suffix, draw_comparison, short_names

    if plot is not None:
        check_suffix(plot)
    paths = find_images(images)
    if len(paths) < 2:
        raise UsageError("Comparing takes at least two images.")
    loaded = load(model, device=device, weights=weights)
    features = loaded.embed(paths, layer=layer, batch_size=batch_size, progress=True)
    table = distances(features.reshape(len(paths), -1))
    names = short_names(paths)
    if plot is not None:
        with whole_file(plot) as beside:
            draw_comparison(beside, paths, names, table, loaded.name)
    if as_json:
        files = [str(path) for path in paths]
        print_json({"model": loaded.name, "images": files, "distances": table.round(6).tolist()})
    else:
        _print(names, table, loaded.name)


def _print(names: list[str], table: NDArray[np.float32], model: str) -> None:
    import numpy as np

    digits = max(1, 4 - len(str(int(table.max()))))
    hidden = table + np.where(np.eye(len(names), dtype=bool), np.inf, 0)
    rows = []
    for name, row, others in zip(names, table, hidden, strict=True):
        closest = names[int(others.argmin())]
        rows.append([name, *(f"{value:.{digits}f}" for value in row), closest])
    click.echo(f"Euclidean distances of {model}'s features (small: same writer)")
    print_table(["", *names, "closest"], rows, right=names)
