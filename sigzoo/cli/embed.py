"""`sigzoo embed`: image files in, a file of features out."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.image_options import image_options
from sigzoo.cli.output import echo, embedding_options, json_option, print_json, whole_file


@click.command()
@click.argument("images", nargs=-1, required=True)
@embedding_options
@image_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("features.npz"),
    show_default=True,
    help="File to write: .npz (features, files, model, layer) or .csv.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Stop at an image that cannot be used, or leave it out and go on.",
)
@json_option
def embed(
    images: tuple[str, ...],
    model: str | None,
    weights: str | None,
    layer: str | None,
    batch_size: int,
    device: str,
    image_check: bool,
    grey_range: tuple[float, float] | None,
    output: Path,
    on_error: str,
    as_json: bool,
) -> None:
    """Compute the features of IMAGES: files, folders (with all below), wildcards, and npz of images."""
    from sigzoo import load
    from sigzoo.common.progress import bar
    from sigzoo.data.feature_files import check_output, open_writer
    from sigzoo.errors import ImageError
    from sigzoo.imaging.npz_images import find_inputs

    check_output(output)
    inputs = find_inputs(images)
    count = len(inputs.sources)
    loaded = load(model, device=device, weights=weights)
    layer = loaded.card.features.layer if layer is None else layer
    skipped: list[dict[str, str]] = []
    done, shape = 0, ""
    stream = loaded.embed_stream(
        inputs.sources,
        layer=layer,
        batch_size=batch_size,
        on_error=on_error,  # type: ignore[arg-type]
        check_images=image_check,
        grey_range=grey_range,
        preprocessed=inputs.preprocessed_for(loaded.name),
    )
    with whole_file(output) as beside:
        with open_writer(beside, loaded.name, layer) as writer, bar(True, count, "embedding") as step:
            for item in stream:
                step(1)
                if item.features is None:
                    skipped.append({"file": item.source, "error": str(item.error)})
                else:
                    writer.add(item.source, item.features)
                    done, shape = done + 1, " x ".join(map(str, item.features.shape))
        if not done:
            raise ImageError(f"None of the {count} images can be used; the first: {skipped[0]['error']}")
    for each in skipped:
        echo(f"sigzoo: skipped {each['error']}", err=True)
    if as_json:
        print_json(
            {"model": loaded.name, "layer": layer, "images": done, "output": str(output), "skipped": skipped}
        )
    else:
        missed = f", {len(skipped)} skipped" if skipped else ""
        what = f"features {done} x {shape}, {loaded.name} {layer}"
        echo(f"{done} image{'s' * (done != 1)}{missed} -> {output} ({what})")
