"""From a model's name to a model: find its parts, get its weights, put them together strictly."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sigzoo.card_weights import (
    FoundWeights,
    adapted,
    find_card_weights,
    head_of,
    naming_card,
    network_identity,
)
from sigzoo.common.messages import quoted
from sigzoo.errors import RegistryError, SigzooWarning, UsageError
from sigzoo.fitting import check_sizes, fitting_scale
from sigzoo.imaging import ImageSource, ReadOptions, read_and_apply
from sigzoo.installed import RUN_REGISTRY, Installed
from sigzoo.interfaces import GreyImage, Preprocessor
from sigzoo.model import SignatureModel
from sigzoo.network import ModelNetwork, calibration_batches
from sigzoo.registry import Card, read_registry
from sigzoo.registry.cards import with_tuples

if TYPE_CHECKING:
    from torch import nn

    from sigzoo.interfaces import Backbone


def load_model(
    zoo: Installed,
    name: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    runtime: str = "torch",
    precision: str = "float32",
    weights: str | os.PathLike[str] | None = None,
    preprocessor_options: Mapping[str, Any] | None = None,
) -> SignatureModel:
    """Load a model; see `sigzoo.load`, which takes the same arguments and raises the same errors."""
    if weights is not None and not isinstance(weights, str | os.PathLike):
        raise UsageError(f"`weights` must be the path of a file, got {quoted(weights)}.")
    named: str | None
    if name is not None and _is_run(name, zoo):
        named, zoo = _of_run(Path(name), zoo)
    else:
        named = name  # type: ignore[assignment]  # no path: `_is_run`
    name, card = find_card(named, zoo)
    if card.deprecated:
        warnings.warn(f"The model {name!r} is deprecated: {card.deprecated}", SigzooWarning, stacklevel=2)
    zoo.require_components(name, card)
    with naming_card(name, zoo):
        preprocessor = build_preprocessor(card, zoo)
    if preprocessor_options:
        card = with_preprocessor_options(card, preprocessor_options)
        preprocessor = _other_preprocessor(card, zoo)
    kind = zoo.component("runtime", runtime)
    build = cache(partial(_fitting_backbone, name, card, preprocessor, zoo))
    if not kind.compiles:
        build()  # what does not fit is told before weights are fetched
    file = find_card_weights(name, card, weights, zoo)
    network = ModelNetwork(
        lambda: _with_weights(build(), card, file, zoo),
        identity=partial(network_identity, card, file, zoo),
        calibration=partial(calibration_batches, preprocessor),
        input_scale=card.input_scale,
        layer=card.features.layer,
    )
    with zoo.store():
        return SignatureModel(
            name,
            card,
            preprocessor,
            network,
            device=str(device),
            runtime=kind,
            precision=precision,
            weights_file=file.path,
            calibration_file=_calibration_file(card, weights, zoo),
        )


def _fitting_backbone(name: str, card: Card, preprocessor: Preprocessor, zoo: Installed) -> Backbone:
    """Build a model's network, its weights still random, and see that it fits the card and preprocessor."""
    backbone, _ = build_parts(name, zoo)
    check_sizes(
        backbone, preprocessor, backbone_name=card.backbone.name, preprocessor_name=card.preprocessor.name
    )
    return backbone


def _with_weights(
    backbone: Backbone, card: Card, weights: FoundWeights, zoo: Installed
) -> tuple[Backbone, dict[str, nn.Linear]]:
    """Load a network's weights, strictly, and the heads that the card keeps."""
    from sigzoo.weights import load_into

    with zoo.store():
        file = weights.read()
    load_into(backbone, adapted(backbone, file), source=str(file.path))
    heads: dict[str, nn.Linear] = {
        head: head_of(file, head, outputs, backbone.feature_dim) for head, outputs in card.heads.items()
    }
    return backbone, heads


def _calibration_file(card: Card, weights: str | os.PathLike[str] | None, zoo: Installed) -> Path | None:
    """The card's calibration, fetched when needed; none for weights of the caller's own.

    Raises
    ------
    ArtifactError
        If it cannot be had, or is not the published one.
    """
    if card.verification is None or weights is not None:
        return None
    return zoo.fetch_spec(zoo.artifact_spec(card.verification.artifact))


def with_preprocessor_options(card: Card, options: Mapping[str, Any]) -> Card:
    """A card whose preprocessor is built with options of one's own beside, or in place of, the card's."""
    merged = {**card.preprocessor.options, **options}
    return msgspec.structs.replace(
        card, preprocessor=msgspec.structs.replace(card.preprocessor, options=merged)
    )


def _other_preprocessor(card: Card, zoo: Installed) -> Preprocessor:
    """The preprocessor with a caller's options, which are at fault if it does not fit (`UsageError`)."""
    named = card.preprocessor
    preprocessor = zoo.preprocessor(named.name, **with_tuples(named.options))
    fitting_scale(preprocessor, preprocessor_name=named.name, input_scale=card.input_scale)
    return preprocessor


def _is_run(name: str | os.PathLike[str], zoo: Installed) -> bool:
    """Whether the folder of a run is meant: a path, or a text that is no model's name but a folder's."""
    if isinstance(name, os.PathLike):
        return True
    if not isinstance(name, str) or zoo.catalogue.is_taken(name):
        return False
    return (Path(name).expanduser() / RUN_REGISTRY).is_file()


def _of_run(folder: Path, zoo: Installed) -> tuple[str, Installed]:
    """The model of a run's folder, and a zoo that knows it."""
    path = folder.expanduser() / RUN_REGISTRY
    if not path.is_file():
        raise UsageError(f"{folder}: is no folder of a training run: there is no {RUN_REGISTRY} in it.")
    models = list(read_registry(path).models)
    if len(models) != 1:
        raise UsageError(
            f"{path}: holds {len(models)} models; a run's holds one. Name it with `registries=`."
        )
    known = zoo.catalogue
    if known.is_taken(models[0]) and Path(known.origin(known.resolve(models[0]))) == path:
        return models[0], zoo
    return models[0], zoo.with_registries([path])


def build_parts(name: str, zoo: Installed) -> tuple[Backbone, Preprocessor]:
    """Build a model's parts with the options of its card, without weights, and see that they fit.

    Raises
    ------
    RegistryError
        If a part cannot be built so, or they do not belong together; says which registry has the card.
    PluginError
        If a plugin is not there or does not work.
    """
    card = zoo.info(name)
    zoo.require_components(name, card)
    with naming_card(name, zoo):
        backbone, preprocessor = build_backbone(card, zoo), build_preprocessor(card, zoo)
        check_parts(card, backbone, preprocessor)
    return backbone, preprocessor


def find_card(name: str | None, zoo: Installed) -> tuple[str, Card]:
    """The name and card of a model, or of the bundled default.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    """
    name = zoo.resolve(name)
    return name, zoo.info(name)


def build_backbone(card: Card, zoo: Installed) -> Backbone:
    """Build a card's network, its weights still random.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If it is not there, broken, or does not take the card's options.
    """
    backbone = zoo.backbone(card.backbone.name, **with_tuples(card.backbone.options))
    backbone.check_layers([card.features.layer])
    return backbone


def build_preprocessor(card: Card, zoo: Installed) -> Preprocessor:
    """Build a card's preprocessor.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        If it is not there, broken, or does not take the card's options.
    RegistryError
        If the card's input scale is not the one that belongs to the preprocessing.
    """
    preprocessor = zoo.preprocessor(card.preprocessor.name, **with_tuples(card.preprocessor.options))
    with _of_a_card():
        fitting_scale(preprocessor, preprocessor_name=card.preprocessor.name, input_scale=card.input_scale)
    return preprocessor


def check_parts(card: Card, backbone: Backbone, preprocessor: Preprocessor) -> None:
    """Check that a card's parts belong together.

    Raises
    ------
    RegistryError
        If the preprocessor's images are not of the backbone's size, or the features are not of the
        size that the card states.
    """
    with _of_a_card():
        check_sizes(
            backbone,
            preprocessor,
            backbone_name=card.backbone.name,
            preprocessor_name=card.preprocessor.name,
        )
    features = card.features
    if features.layer == backbone.layers[-1] and features.size != backbone.feature_dim:
        raise RegistryError(
            f"The card states {features.size} features, layer {features.layer} of {card.backbone.name!r}"
            f" gives {backbone.feature_dim}. Its registry ({card.distribution}) should say"
            f" `features: {{layer: {features.layer}, size: {backbone.feature_dim}}}`."
        )


@contextmanager
def _of_a_card() -> Iterator[None]:
    """Blame the card where its parts do not fit."""
    try:
        yield
    except UsageError as error:
        raise RegistryError(f"The card's parts do not fit: {error}") from error


def preprocess_stages(
    name: str | None,
    images: Iterable[ImageSource],
    options: ReadOptions | None = None,
    *,
    preprocessor_options: Mapping[str, Any] | None = None,
    zoo: Installed,
) -> list[dict[str, GreyImage]]:
    """The steps of a model's preprocessing for some images, without its weights.

    `options` say how the images are read, `preprocessor_options` go before the card's.

    Raises
    ------
    ImageError
        If an image cannot be read or holds no ink; names the file.
    """
    name, card = find_card(name, zoo)
    zoo.require_components(name, card)
    with naming_card(name, zoo):
        preprocessor = build_preprocessor(card, zoo)
    if preprocessor_options:
        preprocessor = _other_preprocessor(with_preprocessor_options(card, preprocessor_options), zoo)
    return [read_and_apply(image, index, preprocessor.stages, options) for index, image in enumerate(images)]
