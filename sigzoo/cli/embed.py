"""`sigzoo embed`: image files in, a file of features out."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_json, whole_file

_LISTED = 20
"""Skipped images that are named; `--json` names all."""


@click.command()
@click.argument("images", nargs=-1, required=True)
@embedding_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("features.npz"),
    show_default=True,
    help="File to write: .npz, or .csv with a .csv.json beside it.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Stop at an image that cannot be used, or leave it out and go on.",
)
@force_option
@json_option
def embed(
    images: tuple[str, ...],
    options: EmbeddingOptions,
    output: Path,
    on_error: str,
    force: bool,
    as_json: bool,
) -> None:
    """Compute the features of IMAGES: files, folders (with all below), wildcards, and npz of images.

    An .npz holds features (float32, a row an image), files, and what they depend on: model, layer,
    weights_sha256, preprocessor, preprocessor_options (JSON), input_scale, backbone, precision and
    sigzoo_version. Beside a .csv that is in FILE.csv.json.
    """
    from sigzoo.common.progress import bar
    from sigzoo.common.terminal import safe_text
    from sigzoo.data.feature_files import open_writer, sidecar
    from sigzoo.errors import ImageError
    from sigzoo.imaging.npz_images import find_inputs

    beside_csv = sidecar(output)
    for path in filter(None, (output, beside_csv)):
        check_free(path, force)
    inputs = find_inputs(images)
    count = len(inputs.sources)
    loaded = options.load(inputs)
    layer = loaded.card.features.layer if options.layer is None else options.layer
    skipped: list[dict[str, str]] = []
    done, shape = 0, ""
    stream = loaded.embed_stream(
        inputs.sources,
        on_error=on_error,  # type: ignore[arg-type]
        **options.embedding(inputs, loaded),
    )
    provenance = loaded.provenance(layer)
    with whole_file(output) as beside:
        with open_writer(beside, provenance) as writer, bar(True, count, "embedding") as step:
            for item in stream:
                step(1)
                if item.features is None:
                    skipped.append({"file": item.source, "error": str(item.error)})
                else:
                    writer.add(item.source, item.features)
                    done, shape = done + 1, " x ".join(map(str, item.features.shape))
        if not done:
            raise ImageError(f"None of the {count} images can be used; the first: {skipped[0]['error']}")
        if beside_csv is not None:
            with whole_file(beside_csv) as text:
                text.write_text(json.dumps(provenance, indent=2) + "\n")
    for each in skipped[:_LISTED]:
        echo(f"sigzoo: skipped {each['error']}", err=True)
    if len(skipped) > _LISTED:
        echo(f"sigzoo: skipped {len(skipped) - _LISTED:,} more; --json names all", err=True)
    if as_json:
        print_json({**provenance, "images": done, "output": str(output), "skipped": skipped})
    else:
        missed = f", {len(skipped)} skipped" if skipped else ""
        what = f"features {done} x {shape}, {loaded.name} {layer}"
        echo(f"{done} image{'s' * (done != 1)}{missed} -> {safe_text(output)} ({what})")
