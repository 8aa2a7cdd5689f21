"""`sigzoo compare`: which of some signature images belong together."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_json, print_table, whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo compare signatures",
        "sigzoo compare signatures --plot compare.png",
    ],
)
@click.argument("images", nargs=-1, required=True)
@embedding_options
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the thumbnails along a heat map of the distances into this file (.png, .pdf, .svg, .jpg).",
)
@force_option
@json_option
def compare(
    images: tuple[str, ...],
    options: EmbeddingOptions,
    plot: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Print the distances between signatures: which belong together.

    They are Euclidean, between the features of IMAGES: files, folders, wildcards, or an npz of images.
    """
    from sigzoo import distances
    from sigzoo.common.terminal import safe_text
    from sigzoo.errors import UsageError
    from sigzoo.imaging.figures import check_plot, draw_comparison, short_names
    from sigzoo.imaging.npz_images import find_inputs

    inputs = find_inputs(images)
    count = len(inputs.sources)
    if count < 2:
        raise UsageError("Comparing takes at least two images.")
    if plot is not None:
        check_plot(plot, count)
        check_free(plot, force)
    loaded = options.load(inputs)
    features = loaded.embed(inputs.sources, progress=True, **options.embedding(inputs, loaded))
    table = distances(features.reshape(count, -1))
    names = [safe_text(name) for name in short_names(inputs.paths)]
    if plot is not None:
        with whole_file(plot) as beside:
            draw_comparison(beside, inputs.sources, names, table, loaded.name)
    if as_json:
        files = [str(path) for path in inputs.paths]
        print_json({"model": loaded.name, "images": files, "distances": table})
    else:
        echo(f"Euclidean distances of {loaded.name}'s features (small: same writer)")
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        _print(names, table, width)


def _print(names: list[str], table: NDArray[np.float32], width: int | None) -> None:
    """Print a row an image: its distances as far as `width` holds them, and which is closest."""
    import numpy as np

    from sigzoo.imaging.figures import fitted

    digits = max(1, 4 - len(str(int(table.max()))))
    closest = (table + np.where(np.eye(len(names), dtype=bool), np.inf, 0)).argmin(axis=1)
    values = [[f"{value:.{digits}f}" for value in row] for row in table]
    if width is None:
        rows = [
            [name, *row, names[nearest]] for name, row, nearest in zip(names, values, closest, strict=True)
        ]
        print_table(["", *names, "closest"], rows, right=names)
        return
    heads = [str(number) for number in range(1, len(names) + 1)]
    cell = max(len(heads[-1]), *(len(value) for row in values for value in row)) + 2
    room = width - cell * len(names) - len(heads[-1]) - 5
    if room < 24:
        echo("(too many for a table of this width; --plot draws it, --json has all)")
        values, cell, room = [[] for _ in names], 0, width - len(heads[-1]) - 5 - digits - 6
    letters = min(room // 2, max(map(len, names)))
    start = len(heads[-1]) + 1 + letters
    line = "".join(head.rjust(cell) for head in heads) if cell else "distance"
    echo(f"{'':{start}}{line}  {'closest' if cell else 'to the closest'}")
    for number, name in enumerate(names):
        nearest = int(closest[number])
        shown = "".join(value.rjust(cell) for value in values[number])
        if not cell:
            shown = f"{table[number, nearest]:.{digits}f}".rjust(len(line))
        title = f"{heads[number]:>{len(heads[-1])}} {fitted(name, letters):{letters}}"
        echo(f"{title}{shown}  {fitted(names[nearest], letters)}")
