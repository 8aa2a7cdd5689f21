"""`sigzoo preprocess`: what a network sees, and the steps that lead there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.image_options import canvas_options, check_free, force_option, image_options
from sigzoo.cli.output import echo, json_option, make_folder, model_option, print_json, whole_file

if TYPE_CHECKING:
    from sigzoo.interfaces import GreyImage


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo preprocess signatures -m signet --plot stages.png",
        "sigzoo preprocess signatures -o preprocessed.npz",
    ],
)
@click.argument("images", nargs=-1, required=True)
@model_option
@image_options
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the steps side by side, a column an image, into this file (.png, .pdf, .svg, .jpg).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write the preprocessed images as PNG files into this folder, or into one file ending in .npz.",
)
@force_option
@json_option
def preprocess(
    images: tuple[str, ...],
    model: str | None,
    image_check: bool,
    grey_range: tuple[float, float] | None,
    canvas: tuple[int, int] | str | None,
    plot: Path | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show what a network sees: signatures, step by step.

    IMAGES are files, folders, wildcards, or an npz. The model's weights are not needed. What is written
    as .npz can be given to `embed` and `compare`.
    """
    from sigzoo.common.terminal import safe_text
    from sigzoo.errors import UsageError
    from sigzoo.imaging import ReadOptions
    from sigzoo.imaging.figures import MAX_STAGED, check_plot, draw_stages, short_names
    from sigzoo.imaging.npz_images import find_inputs
    from sigzoo.imaging.plausibility import doubts
    from sigzoo.loading import find_card, preprocess_stages
    from sigzoo.zoo import default_zoo

    if plot is None and output is None:
        raise UsageError("Nothing to write: give --plot FILE, --output FOLDER, or both.")
    inputs = find_inputs(images)
    if inputs.preprocessed_by is not None:
        raise UsageError(f"These images are preprocessed already, for {inputs.preprocessed_by}.")
    if plot is not None:
        check_plot(plot, len(inputs.sources), MAX_STAGED)
        check_free(plot, force)
    labels = short_names(inputs.paths)
    targets = [] if output is None else _targets(output, labels, force)
    name, _ = find_card(model, default_zoo())
    options = ReadOptions(grey_range, image_check)
    columns = preprocess_stages(
        name, inputs.sources, options, preprocessor_options=canvas_options(canvas), zoo=default_zoo()
    )
    if plot is not None:
        originals = [next(iter(stages.values())) for stages in columns]
        notes = ["; ".join(doubts(image)) for image in originals] if image_check else None
        with whole_file(plot) as beside:
            draw_stages(beside, labels, columns, name, notes)
    if output is not None:
        results = [list(stages.values())[-1] for stages in columns]
        _write(output, targets, labels, results, name, canvas_options(canvas))
    if as_json:
        steps = [
            {"image": str(path), "stages": {step: list(picture.shape) for step, picture in stages.items()}}
            for path, stages in zip(inputs.paths, columns, strict=True)
        ]
        written = [str(target) for target in targets]
        print_json({"model": name, "images": steps, "written": written, "plot": str(plot) if plot else None})
        return
    count = len(columns)
    if plot is not None:
        echo(f"{count} image{'s' * (count != 1)}, steps {', '.join(columns[0])} -> {safe_text(plot)}")
    if output is not None:
        echo(f"{count} preprocessed image{'s' * (count != 1)} -> {safe_text(output)}")


def _targets(output: Path, labels: list[str], force: bool) -> list[Path]:
    """The files that will be written; none of them may be there."""
    single = output.suffix.lower() == ".npz" and not output.is_dir()
    names = [f"{label.replace('/', '_')}.png" for label in labels]
    targets = [output] if single else [output / name for name in names]
    for target in targets:
        check_free(target, force)
    return targets


def _write(
    output: Path,
    targets: list[Path],
    labels: list[str],
    results: list[GreyImage],
    model: str,
    preprocessor_options: dict[str, Any],
) -> None:
    from PIL import Image

    from sigzoo.imaging.npz_images import write_preprocessed

    if targets == [output]:
        with whole_file(output) as beside:
            write_preprocessed(beside, results, labels, model, preprocessor_options)
        return
    make_folder(output)
    for target, result in zip(targets, results, strict=True):
        with whole_file(target) as beside:
            Image.fromarray(result).save(beside)
