"""`sigzoo convert`: a published weight file to safetensors that says what it is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import click

from sigzoo.cli.output import json_option, print_json

if TYPE_CHECKING:
    from torch import Tensor

    from sigzoo.registry import Card
    from sigzoo.weights import WeightFile


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="NAME", required=True, help="The model whose weights these are.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write, .safetensors.",
)
@click.option("--member", metavar="NAME", help="File to read where FILE is a zip archive.")
@json_option
def convert(file: Path, model: str, output: Path, member: str | None, as_json: bool) -> None:
    """Convert the weight FILE of a model to safetensors, which `--weights` takes.

    Every tensor is checked against the model's network first. The file written carries the
    model's name, both licences, and the format and SHA-256 of FILE.
    """
    from sigzoo.errors import UsageError
    from sigzoo.weights import save_weights
    from sigzoo.zoo import default_zoo

    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: the output must end in .safetensors.")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"{output}: the folder {output.parent} does not exist.")
    known = default_zoo().catalogue
    name = known.resolve(model)
    card = known.models[name]
    default_zoo().require_components(name, card)
    found = _read(file, name, card, member)
    state, heads = _checked(found, card)
    metadata = _identity(found, name, card)
    save_weights(output, state, heads, metadata)
    if as_json:
        print_json({"output": str(output), "tensors": len(state), "heads": sorted(heads), **metadata})
        return
    with_heads = f" and the {' and '.join(sorted(heads))} head" if heads else ""
    click.echo(f"{found.format} -> {output}: {len(state)} tensors of {name}{with_heads}")
    click.echo(f"Licence of the weights: {card.licence.weights}")


def _read(file: Path, name: str, card: Card, member: str | None) -> WeightFile:
    """Read the file in the card's format, or as safetensors where it is that."""
    from sigzoo.errors import UsageError, WeightsError
    from sigzoo.weights import detect_format, read_weights

    kind = detect_format(file, member=member)
    if member is None and kind.format is None and card.weights and is_zipfile(file):
        member = card.weights.name_in_archive
        kind = detect_format(file, member=member)
    if card.weights is None and kind.format is None:
        raise WeightsError(f"{file}: this is {kind.description}, no weight file.")
    expected = card.weights.format if card.weights else kind.format
    read = read_weights(file, "safetensors" if kind.format == "safetensors" else str(expected), member=member)
    said = read.metadata.get("model", name)
    if read.format == "safetensors" and said != name:
        raise UsageError(f"{file}: says that it holds the weights of {said!r}, not of {name!r}.")
    return read


def _checked(found: WeightFile, card: Card) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Put everything into the network and heads that it is for, strictly, and take it out again."""
    from torch import nn

    from sigzoo.errors import WeightsError
    from sigzoo.loading import adapted, build_backbone
    from sigzoo.weights import load_into

    backbone = build_backbone(card)
    source = str(found.path)
    load_into(backbone, adapted(backbone, found), source=source)
    for promised, outputs in card.heads.items():
        if len(found.heads.get(promised, {}).get("bias", ())) != outputs:
            raise WeightsError(f"{source}: has no {promised} head of {outputs} outputs, which the card says.")
    heads: dict[str, dict[str, Tensor]] = {}
    for head, parts in found.heads.items():
        linear = nn.Linear(backbone.feature_dim, parts["bias"].numel() if "bias" in parts else 1)
        load_into(linear, parts, source=f"{source} ({head} head)")
        heads[head] = linear.state_dict()
    return backbone.state_dict(), heads


def _identity(found: WeightFile, name: str, card: Card) -> dict[str, str]:
    from sigzoo import __version__

    with found.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    identity = {
        "model": name,
        "source_file": found.path.name,
        "source_sha256": digest,
        "source_format": found.format,
        "licence_code": card.licence.code,
        "licence_weights": card.licence.weights,
        "commercial_use": "yes" if card.licence.commercial_use else "no",
        "trained_on": card.trained_on,
        "sigzoo_version": __version__,
    }
    if found.member:
        identity["source_member"] = found.member
    if found.format == "safetensors":
        # Converted before: the published file it came from is what matters.
        identity |= {key: text for key, text in found.metadata.items() if key.startswith("source_")}
    return identity
