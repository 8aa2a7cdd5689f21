"""From a card to its weights: where they are, how they are read, what of a network depends on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigzoo import recipes
from sigzoo.artifacts import extract_member
from sigzoo.common.digests import file_sha256
from sigzoo.common.json_values import to_json_values
from sigzoo.common.messages import quoted
from sigzoo.errors import RegistryError, UnknownNameError, UsageError, WeightsError
from sigzoo.installed import Installed
from sigzoo.registry import Card
from sigzoo.weights.formats import find_format

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sigzoo.interfaces import Backbone
    from sigzoo.weights import WeightFile

__all__ = ["FoundWeights", "adapted", "find_card_weights", "head_of", "naming_card", "network_identity"]


@contextmanager
def naming_card(name: str, zoo: Installed) -> Iterator[None]:
    """Say which registry and model an error of a card's parts comes from."""
    try:
        yield
    except (RegistryError, UsageError, UnknownNameError) as error:
        raise RegistryError(f"{zoo.catalogue.origin(name)}: models.{name}: {error}") from error


@dataclass(frozen=True)
class FoundWeights:
    """Where a model's weights are, and how they are read."""

    path: Path
    """The file, verified where it is a published one or was built."""
    read: Callable[[], WeightFile]

    @property
    def sha256(self) -> str:
        """Digest of the file.

        Raises
        ------
        WeightsError
            If it cannot be read.
        """
        return file_sha256(self.path, WeightsError)


def find_card_weights(
    name: str, card: Card, path: str | os.PathLike[str] | None, zoo: Installed
) -> FoundWeights:
    """Find a card's weights: the published file, fetched when needed, or what was built, or a local one.

    Nothing of the file is read yet but for verifying it.

    Raises
    ------
    ArtifactError
        If the published file cannot be had, or what was built is no longer what it was.
    RegistryError
        If the card names a format that no installed plugin provides; with the nearest ones.
    WeightsError
        If the weights are made by a recipe and are not there, or were made by another one than the card
        has now. `FoundWeights.read` raises it for a file that is damaged, hostile or of another format.
    """
    published = card.weights
    if published is not None and published.format not in zoo.list_components("weight_format"):
        with naming_card(name, zoo):
            find_format(published.format, zoo)
    if path is not None:
        return FoundWeights(Path(path), partial(_read_local, name, card, path, zoo))
    with zoo.store():
        if published is None:
            built = recipes.built_weights(name, zoo)
            if built is None:
                raise _unpublished(name, card, zoo)
            return FoundWeights(built, partial(_read_built, name, built, zoo))
        found = zoo.fetch_spec(zoo.artifact_spec(published.artifact))
        file = extract_member(found, published.member) if published.member else found
        return FoundWeights(file, partial(_read_published, file, published.format, zoo))


def _read_published(file: Path, format: str, zoo: Installed) -> WeightFile:
    from sigzoo.weights import read_weights

    return read_weights(file, format, zoo=zoo)


def _read_local(name: str, card: Card, path: str | os.PathLike[str], zoo: Installed) -> WeightFile:
    from sigzoo.weights import read_local_weights

    published = card.weights
    expected = published.format if published else "safetensors"
    inside = published.name_in_archive if published else None
    return _own(read_local_weights(path, expected, member=inside, zoo=zoo), name)


def _read_built(name: str, file: Path, zoo: Installed) -> WeightFile:
    return _own(_read_published(file, "safetensors", zoo), name)


def network_identity(card: Card, weights: FoundWeights, zoo: Installed) -> dict[str, Any]:
    """What a card's network depends on, as plain data: what was made of it is kept under this.

    Raises
    ------
    WeightsError
        If the weight file cannot be read.
    """
    from sigzoo import __version__

    owner = zoo.owner("backbone", card.backbone.name)
    return {
        "weights_sha256": weights.sha256,
        "weights_format": card.weights.format if card.weights else "safetensors",
        "backbone": card.backbone.name,
        "options": to_json_values(card.backbone.options),
        "provided_by": f"{owner} {_version(owner)}",
        "input_scale": card.input_scale,
        "sigzoo": __version__,
    }


def _version(distribution: str | None) -> str:
    try:
        return version(distribution or "")
    except (PackageNotFoundError, ValueError):
        return "of an unknown version"


def adapted(backbone: Backbone, file: WeightFile) -> Mapping[str, Tensor]:
    """A file's arrays under the network's names.

    Raises
    ------
    WeightsError
        If they cannot belong to it; names the file and the tensor.
    """
    from sigzoo.weights import fit_names

    try:
        return fit_names(
            file.tensors, backbone.state_dict(), lambda found: backbone.adapt_weights(found, file.format)
        )
    except WeightsError as error:
        raise WeightsError(f"{file.path}: {error}") from error


def _own(file: WeightFile, name: str) -> WeightFile:
    """Refuse a file that says it is another model's: its preprocessing would be another one."""
    says = file.metadata.get("model")
    if says is not None and says != name:
        raise WeightsError(
            f"{file.path}: holds the weights of {quoted(says)}, not of {name!r}; load it by that name."
        )
    return file


def _unpublished(name: str, card: Card, zoo: Installed) -> WeightsError:
    recipe = card.recipe
    assert recipe is not None  # the schema: a card has weights or a recipe
    what = (
        f"{name}: nobody publishes its weights; it is distilled from {recipe.teacher} through {recipe.data}"
    )
    return WeightsError(f"{what}. {recipes.how_to_build(name, zoo)}. Or load your own with `weights=FILE`.")


def head_of(file: WeightFile, name: str, outputs: int, feature_dim: int) -> nn.Linear:
    """Build a head that the card keeps from the file's own."""
    from torch import nn

    from sigzoo.weights import load_into

    if name not in file.heads:
        raise WeightsError(
            f"{file.path}: holds no {name} head, and the model's card keeps one of {outputs} outputs."
        )
    head = nn.Linear(feature_dim, outputs)
    load_into(head, file.heads[name], source=f"{file.path} ({name} head)")
    return head.requires_grad_(False)
