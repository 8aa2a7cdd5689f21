"""`sigzoo gallery`: signatures, preprocessing, neighbours and distances as one page for a browser."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_json, whole_file

_MOST = 300
"""Images of a page that a browser shows at once."""


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo gallery signatures -o gallery.html",
        "sigzoo gallery signatures --layer embedding -o embedding.html",
    ],
)
@click.argument("images", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("gallery.html"),
    show_default=True,
    help="The page, .html.",
)
@embedding_options
@force_option
@json_option
def gallery(
    images: tuple[str, ...], output: Path, options: EmbeddingOptions, force: bool, as_json: bool
) -> None:
    """Write a page on which signatures reorder by their distance.

    It holds IMAGES (files, folders, wildcards), the steps of their preprocessing, their neighbours and
    distances, and needs nothing but a browser. A click on a signature, or Enter, orders all by their
    distance from it; arrows go from one to the next.
    """
    from sigzoo.common.messages import counted
    from sigzoo.common.terminal import safe_text
    from sigzoo.errors import UsageError
    from sigzoo.gallery import gallery_of, gallery_page
    from sigzoo.imaging.figures import short_names
    from sigzoo.imaging.npz_images import find_inputs

    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"A gallery is a page; {output} does not end in .html.")
    check_free(output, force)
    inputs = find_inputs(images)
    if inputs.preprocessed_by is not None:
        raise UsageError("A gallery shows how images are preprocessed; these are preprocessed already.")
    if len(inputs.sources) > _MOST:
        raise UsageError(f"A gallery shows at most {_MOST} images, not {len(inputs.sources)}; name fewer.")
    model = options.load(inputs)
    features = model.embed(inputs.sources, progress=True, **options.embedding(inputs, model))
    names = [safe_text(name) for name in short_names(inputs.paths)]
    text = gallery_page(gallery_of(model, inputs.sources, names, features, layer=options.layer))
    with whole_file(output) as beside:
        beside.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"output": str(output), "model": model.name, "images": len(names)})
    else:
        echo(f"{counted(len(names), 'signature')} -> {output}")
