"""From a model's name to a model: find its parts, get its weights, put them together strictly."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isclose

from torch import Tensor, nn

from sigzoo import plugins, recipes, zoo
from sigzoo.artifacts import extract_member, fetch_with_bar
from sigzoo.errors import RegistryError, UnknownNameError, UsageError, WeightsError
from sigzoo.imaging import ImageSource, read_and_apply
from sigzoo.interfaces import Backbone, GreyImage, Preprocessor
from sigzoo.model import SignatureModel
from sigzoo.registry import Card
from sigzoo.registry.cards import with_tuples
from sigzoo.weights import WeightFile, fit_names, load_into, read_local_weights, read_weights


def load(
    name: str | None = None,
    *,
    device: str = "auto",
    runtime: str = "torch",
    weights: str | os.PathLike[str] | None = None,
) -> SignatureModel:
    """Load a model: fetch and verify its weights, build its parts, set it to evaluation mode.

    Parameters
    ----------
    name
        A name or alias of the registry; the bundled default without one, which needs no network.
    device
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    runtime
        What runs the network; ``"torch"``.
    weights
        A local file in place of the published one: in the card's format, in any format of state dicts
        where the card's is one, safetensors as `sigzoo convert` writes them, or a zip archive that holds
        such a file. See `sigzoo.weights.read_local_weights`.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    PluginError
        If the model's plugin is not installed or does not work; names the distribution.
    ArtifactError
        If the weights cannot be had, or are not the published ones, or not those that were built.
    RegistryError
        If the card's backbone, preprocessor and input scale do not belong together.
    WeightsError
        If the file is damaged, hostile or does not fit the network; names the tensor. If the model is
        made by a recipe and has not been built; says how.
    """
    name, card = find_card(name)
    zoo.require_components(name, card)
    with _naming(name):
        backbone, preprocessor = build_backbone(card), build_preprocessor(card)
        check_parts(card, backbone, preprocessor)
    file = read_card_weights(name, card, weights)
    load_into(backbone, adapted(backbone, file), source=str(file.path))
    heads: dict[str, nn.Linear] = {
        head: _head(file, head, outputs, backbone.feature_dim) for head, outputs in card.heads.items()
    }
    return SignatureModel(name, card, preprocessor, backbone, heads, device=device, runtime=runtime)


def find_card(name: str | None = None) -> tuple[str, Card]:
    """The name and card of a model, or of the bundled default.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    """
    known = zoo.catalogue()
    if name is None:
        if known.default is None:
            raise UsageError("There is no default model; name one of `sigzoo list`.")
        name = known.default
    name = known.resolve(name)
    return name, known.models[name]


def build_backbone(card: Card) -> Backbone:
    """Build a card's network, its weights still random.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If it is not there, broken, or does not take the card's options.
    """
    backbone = plugins.backbone(card.backbone.name, **with_tuples(card.backbone.options))
    backbone.check_layers([card.features.layer])
    return backbone


def build_preprocessor(card: Card) -> Preprocessor:
    """Build a card's preprocessor.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If it is not there, broken, or does not take the card's options.
    RegistryError
        If the card's input scale is not the one that belongs to the preprocessing.
    """
    preprocessor = plugins.preprocessor(card.preprocessor.name, **with_tuples(card.preprocessor.options))
    expected = preprocessor.input_scale
    if expected is not None and not isclose(expected, card.input_scale, rel_tol=1e-6):
        raise RegistryError(
            f"The card's input_scale {card.input_scale:.6g} does not belong to the preprocessor"
            f" {card.preprocessor.name!r}, whose networks take its uint8 result times {expected:.6g}."
        )
    return preprocessor


def check_parts(card: Card, backbone: Backbone, preprocessor: Preprocessor) -> None:
    """Check that a card's parts belong together.

    Raises
    ------
    RegistryError
        If the preprocessor's images are not of the backbone's size, or the features are not of the
        size that the card states.
    """
    wanted, given = backbone.input_size, preprocessor.output_size
    if wanted is not None and wanted != given:
        raise RegistryError(
            f"The card's backbone {card.backbone.name!r} takes images of {wanted} (h, w), its preprocessor"
            f" {card.preprocessor.name!r} gives {given or 'any size'}."
        )
    features = card.features
    if features.layer == backbone.layers[-1] and features.size != backbone.feature_dim:
        raise RegistryError(
            f"The card states {features.size} features, layer {features.layer} of {card.backbone.name!r}"
            f" gives {backbone.feature_dim}."
        )


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say which registry and model an error of a card's parts comes from."""
    try:
        yield
    except (RegistryError, UsageError, UnknownNameError) as error:
        raise RegistryError(f"{zoo.catalogue().origin(name)}: models.{name}: {error}") from error


def preprocess_stages(name: str, images: Iterable[ImageSource]) -> list[dict[str, GreyImage]]:
    """The steps of a model's preprocessing for some images, without its weights.

    Raises
    ------
    ImageError
        If an image cannot be read or holds no ink; names the file.
    """
    name, card = find_card(name)
    zoo.require_components(name, card)
    with _naming(name):
        preprocessor = build_preprocessor(card)
    return [read_and_apply(image, index, preprocessor.stages) for index, image in enumerate(images)]


def read_card_weights(name: str, card: Card, path: str | os.PathLike[str] | None = None) -> WeightFile:
    """Read a card's weights: the published file, fetched when needed, or what was built, or a local one.

    Raises
    ------
    ArtifactError
        If the published file cannot be had, or what was built is no longer what it was.
    WeightsError
        If the weights are made by a recipe and are not there, or were made by another one than the card
        has now; or if the file is damaged, hostile or of another format.
    """
    published = card.weights
    if path is None:
        if published is None:
            here = recipes.built_weights(name)
            if here is None:
                raise _unpublished(name, card)
            return _own(read_weights(here, "safetensors"), name)
        found = fetch_with_bar(zoo.artifact_spec(published.artifact))
        inside = published.member
        return read_weights(extract_member(found, inside) if inside else found, published.format)
    expected = published.format if published else "safetensors"
    return _own(read_local_weights(path, expected, member=published.member if published else None), name)


def adapted(backbone: Backbone, file: WeightFile) -> Mapping[str, Tensor]:
    """A file's arrays under the network's names.

    Raises
    ------
    WeightsError
        If they cannot belong to it; names the file and the tensor.
    """
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
            f"{file.path}: holds the weights of {says!r}, not of {name!r}; load it by that name."
        )
    return file


def _unpublished(name: str, card: Card) -> WeightsError:
    recipe = card.recipe
    assert recipe is not None  # the schema: a card has weights or a recipe
    what = (
        f"{name}: nobody publishes its weights; it is distilled from {recipe.teacher} through {recipe.data}"
    )
    return WeightsError(f"{what}. {recipes.how_to_build(name)}. Or load your own with `weights=FILE`.")


def _head(file: WeightFile, name: str, outputs: int, feature_dim: int) -> nn.Linear:
    """Build a head that the card keeps from the file's own."""
    if name not in file.heads:
        raise WeightsError(
            f"{file.path}: holds no {name} head, and the model's card keeps one of {outputs} outputs."
        )
    head = nn.Linear(feature_dim, outputs)
    load_into(head, file.heads[name], source=f"{file.path} ({name} head)")
    return head.requires_grad_(False)
