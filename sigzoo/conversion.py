"""Converting a published weight file to safetensors that says what it is."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from sigzoo.card_weights import adapted
from sigzoo.errors import UsageError, WeightsError
from sigzoo.loading import build_backbone
from sigzoo.registry import Card
from sigzoo.weights import (
    WeightFile,
    detect_format,
    load_into,
    read_local_weights,
    read_weights,
    save_weights,
)
from sigzoo.weights.weight_files import meant_format

if TYPE_CHECKING:
    from sigzoo.zoo import Zoo

__all__ = ["Conversion", "convert"]


@dataclass(frozen=True)
class Conversion:
    """What was converted."""

    output: Path
    model: str
    """Name of the model whose weights these are."""
    format: str
    """Format of the file that was read."""
    tensors: int
    """How many the backbone has."""
    heads: tuple[str, ...]
    metadata: dict[str, str]
    """What the file written says of itself."""


def convert(
    file: str | os.PathLike[str],
    model: str,
    output: str | os.PathLike[str],
    *,
    member: str | None = None,
    zoo: Zoo | None = None,
) -> Conversion:
    """Convert a model's weight file to safetensors, which `load` takes as ``weights=``.

    Every tensor is checked against the model's network first. The file written carries the model's
    name, both licences, and the format and SHA-256 of `file`.

    Parameters
    ----------
    file
        In the format of the model's card or one that stands for it; see
        `sigzoo.weights.read_local_weights`.
    model
        A name or alias of the registry.
    output
        The file to write, ``.safetensors``; it appears under this name only when whole.
    member
        The file to read where `file` is a zip archive.
    zoo
        What is installed and named; by default the default zoo.

    Returns
    -------
    Conversion
        The file written, the format that was read, and what was found of heads.

    Raises
    ------
    UnknownNameError, PluginError
        If there is no such model, or its plugin is not installed or does not work.
    UsageError
        If `output` does not end in ``.safetensors`` or its folder is missing, or `file` says that it
        holds another model's weights.
    WeightsError
        If the file is damaged, hostile or does not fit the network, or `output` cannot be written.
    """
    from sigzoo.zoo import resolve_zoo

    zoo, target = resolve_zoo(zoo), Path(output)
    if target.suffix != ".safetensors":
        raise UsageError(f"{target}: the output must end in .safetensors.")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist.")
    name = zoo.catalogue.resolve(model)
    card = zoo.catalogue.models[name]
    zoo.require_components(name, card)
    found = _read(Path(file), name, card, member, zoo)
    state, heads = _checked(found, card, zoo)
    metadata = _identity(found, name, card)
    save_weights(target, state, heads, metadata)
    return Conversion(target, name, found.format, len(state), tuple(sorted(heads)), metadata)


def _read(file: Path, name: str, card: Card, member: str | None, zoo: Zoo) -> WeightFile:
    expected = card.weights.format if card.weights else "safetensors"
    if member is None:
        inside = card.weights.name_in_archive if card.weights else None
        found = read_local_weights(file, expected, member=inside, zoo=zoo)
    else:
        kind = detect_format(file, member=member, zoo=zoo)
        found = read_weights(file, meant_format(kind, expected, zoo), member=member, zoo=zoo)
    says = found.metadata.get("model", name)
    if found.format == "safetensors" and says != name:
        raise UsageError(f"{file}: says that it holds the weights of {says!r}, not of {name!r}.")
    return found


def _checked(
    found: WeightFile, card: Card, zoo: Zoo
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Put everything into the network and heads that it is for, strictly, and take it out again."""
    backbone = build_backbone(card, zoo)
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
