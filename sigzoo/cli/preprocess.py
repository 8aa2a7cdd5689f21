"""`sigzoo preprocess`: what a network sees, and the steps that lead there."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.output import json_option, make_folder, model_option, print_json, whole_file


@click.command()
@click.argument("images", nargs=-1, required=True)
@model_option
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the steps side by side, a column an image, into this file (.png, .pdf, .svg).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the preprocessed images as PNG files into this folder.",
)
@json_option
def preprocess(
    images: tuple[str, ...], model: str | None, plot: Path | None, output: Path | None, as_json: bool
) -> None:
    """Preprocess IMAGES as a model does, and show the steps. The model's weights are not needed."""
    from PIL import Image

    from sigzoo.errors import UsageError
    from sigzoo.imaging import find_images
    from sigzoo.imaging.figures import check_suffix, draw_stages, short_names
    from sigzoo.loading import find_card, preprocess_stages

    if plot is None and output is None:
        raise UsageError("Nothing to write: give --plot FILE, --output FOLDER, or both.")
    if plot is not None:
        check_suffix(plot)
    paths = find_images(images)
    name, _ = find_card(model)
    columns = preprocess_stages(name, paths)
    labels = short_names(paths)
    if plot is not None:
        with whole_file(plot) as beside:
            draw_stages(beside, labels, columns, name)
    written = []
    if output is not None:
        make_folder(output)
        for label, stages in zip(labels, columns, strict=True):
            target = output / f"{label.replace('/', '_')}.png"
            with whole_file(target) as beside:
                Image.fromarray(list(stages.values())[-1]).save(beside)
            written.append(str(target))
    if as_json:
        steps = [
            {"image": str(path), "stages": {step: list(picture.shape) for step, picture in stages.items()}}
            for path, stages in zip(paths, columns, strict=True)
        ]
        print_json({"model": name, "images": steps, "written": written, "plot": str(plot) if plot else None})
        return
    if plot is not None:
        click.echo(f"{len(paths)} image{'s' * (len(paths) != 1)}, steps {', '.join(columns[0])} -> {plot}")
    if output is not None:
        click.echo(f"{len(written)} preprocessed image{'s' * (len(written) != 1)} -> {output}")
