"""`sigzoo export`: a model's network as a file that needs no sigzoo."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.image_options import check_free, force_option
from sigzoo.cli.output import echo, json_option, print_json, weights_option


@click.command(
    cls=HelpfulCommand,
    examples=["sigzoo export synsig-tiny -o tiny.pt2"],
)
@click.argument("name")
@click.option(
    "-f",
    "--format",
    type=click.Choice(["onnx", "openvino", "torch-export"]),
    help="By default what the ending of FILE says: .onnx, .xml (OpenVINO) or .pt2.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="File to write; OpenVINO's weights go into a .bin beside.",
)
@click.option("--layer", metavar="NAME", help="Layer that it gives; the card's own by default.")
@weights_option
@force_option
@json_option
def export(
    name: str,
    format: str | None,
    output: Path,
    layer: str | None,
    weights: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a model's network as ONNX, OpenVINO or torch.export.

    What is written is compared with torch first. Its input is the preprocessed image times the input
    scale. The file says which preprocessing that is, the layer, the digest of the weights, and the
    licence.
    """
    from sigzoo import load

    check_free(output, force)
    if output.suffix == ".xml":
        check_free(output.with_suffix(".bin"), force)
    model = load(name, device="cpu", weights=weights)
    done = model.export(output, format=format, layer=layer)
    licence = model.card.licence
    if not licence.commercial_use:
        echo(f"sigzoo: the weights' licence forbids commercial use: {licence.weights}", err=True)
    if as_json:
        print_json(
            {
                **done.metadata,
                "files": [str(each) for each in done.files],
                "format": done.format,
                "deviation": done.deviation,
            }
        )
        return
    off = f"at most {done.deviation:.1e} from torch"
    echo(f"{model.name} {done.layer} -> {done.files[0]} ({done.format}, {off})")
    echo(f"licence of the weights: {licence.weights}")
