"""`sigzoo convert`: a published weight file to safetensors that says what it is."""

from __future__ import annotations

from pathlib import Path

import click

from sigzoo.cli.help_pages import ExpertOption, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo convert signet.pkl -m signet -o signet.safetensors",
    ],
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="NAME", required=True, help="The model whose weights these are.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write, .safetensors.",
)
@click.option(
    "--member",
    cls=ExpertOption,
    group="The file",
    metavar="NAME",
    help="File to read where FILE is a zip archive.",
)
@json_option
def convert(file: Path, model: str, output: Path, member: str | None, as_json: bool) -> None:
    """Convert a weight file to safetensors, which --weights takes.

    Every tensor is checked against the model's network first. The file written carries the
    model's name, both licences, and the format and SHA-256 of FILE.
    """
    from sigzoo.conversion import convert as convert_file

    done = convert_file(file, model, output, member=member)
    if as_json:
        print_json(
            {"output": str(output), "tensors": done.tensors, "heads": list(done.heads), **done.metadata}
        )
        return
    with_heads = f" and the {' and '.join(done.heads)} head" if done.heads else ""
    echo(f"{done.format} -> {output}: {done.tensors} tensors of {done.model}{with_heads}")
    echo(f"Licence of the weights: {done.metadata['licence_weights']}")
