"""`sigzoo embed`: images in, features out: a file, or a folder of shards that a killed run goes on with."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.embed_to_file import embed_to_file, whole_output
from sigzoo.cli.embed_to_folder import EngineChoice, embed_to_folder
from sigzoo.cli.embedding_options import EmbeddingOptions, embedding_options
from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.image_options import force_option
from sigzoo.cli.manifest_options import ManifestOptions, manifest_options
from sigzoo.cli.output import json_option


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo embed signatures -o features.npz",
        "sigzoo embed --manifest cheques.csv -o many/ --on-error skip",
        "find signatures -name '*_g*.png' | sigzoo embed - -o genuine.npz",
    ],
)
@click.argument("images", nargs=-1)
@manifest_options
@embedding_options
@click.option(
    "-o",
    "--output",
    default="features.npz",
    show_default=True,
    metavar="FILE|FOLDER/|URL",
    help="A .npz, .parquet, .mat or .csv; a name that ends in / is a folder of Parquet shards.",
)
@click.option(
    "--shard-size",
    cls=ExpertOption,
    group="Tables and standard input",
    type=click.IntRange(min=1),
    help="Images of a shard, where the output is a folder; 4096 by default.",
)
@click.option(
    "--files",
    cls=ExpertOption,
    group="Tables and standard input",
    type=click.Choice(["parquet", "mat"]),
    default="parquet",
    show_default=True,
    help="What a folder is filled with; mat is a file an image, as process_folder.py of sigver_wiwd writes.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with what is in the folder: every image is embedded once."
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Stop at an image that cannot be used, or leave it out and go on.",
)
@click.option(
    "--engine",
    cls=ExpertOption,
    group="Where a folder of shards is computed",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This process, or a Ray cluster, whose nodes must reach the images and the folder.",
)
@click.option(
    "--address",
    cls=ExpertOption,
    group="Where a folder of shards is computed",
    metavar="HOST:PORT",
    help="The Ray cluster; without it one of this machine's cores is begun, and ended afterwards.",
)
@force_option
@json_option
def embed(
    images: tuple[str, ...],
    manifest: ManifestOptions,
    options: EmbeddingOptions,
    output: str,
    shard_size: int | None,
    files: str,
    resume: bool,
    on_error: str,
    engine: str,
    address: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compute the features of signature images.

    IMAGES are files, folders (with all below), wildcards, an npz of images, or -: paths are then
    read from standard input, a line each. Images, tables and outputs may be URLs of object stores,
    such as s3://bucket/folder/.

    What is written says what the features depend on: model, layer, digest of the weights, preprocessing,
    precision, version. Images that --on-error skip left out are named in FILE.skipped.jsonl, or in
    FOLDER/_skipped.
    """
    from sigzoo.errors import UsageError

    folder = _folder(output)
    if address is not None and engine != "ray":
        raise UsageError("--address is that of a Ray cluster: --engine ray.")
    if folder is None:
        if engine != "local":
            raise UsageError("--engine ray writes a folder of shards: end the output's name with /.")
        if resume:
            raise UsageError("--resume goes on with a folder of shards: end the output's name with /.")
        if files != "parquet":
            raise UsageError("--files is about a folder: end the output's name with /.")
        with whole_output(output, force) as path:
            embed_to_file(images, manifest, options, path, output, on_error, force, as_json)
    else:
        if force:
            raise UsageError("--force replaces a file; a folder of shards is gone on with by --resume.")
        where = EngineChoice(engine, address)
        embed_to_folder(
            images, manifest, options, folder, shard_size, files, resume, on_error, where, as_json
        )


def _folder(output: str) -> str | None:
    """The folder that an output names; `None` for a file."""
    return output if output.endswith("/") or Path(output).is_dir() else None
