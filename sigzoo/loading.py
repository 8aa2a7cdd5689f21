"""From a model's name to a model: find its parts, get its weights, put them together strictly."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sigzoo import recipes
from sigzoo.artifacts import extract_member
from sigzoo.common.json_values import to_json_values
from sigzoo.common.messages import quoted
from sigzoo.errors import RegistryError, SigzooWarning, UnknownNameError, UsageError, WeightsError
from sigzoo.fitting import check_sizes, fitting_scale
from sigzoo.imaging import ImageSource, ReadOptions, read_and_apply
from sigzoo.installed import RUN_REGISTRY, Installed
from sigzoo.interfaces import GreyImage, Preprocessor
from sigzoo.model import SignatureModel
from sigzoo.network import ModelNetwork, calibration_batches
from sigzoo.registry import Card, read_registry
from sigzoo.registry.cards import with_tuples
from sigzoo.weights.formats import find_format

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sigzoo.interfaces import Backbone
    from sigzoo.weights import WeightFile


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
    with _naming(name, zoo):
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
    )
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
        head: _head(file, head, outputs, backbone.feature_dim) for head, outputs in card.heads.items()
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
    with _naming(name, zoo):
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
            f" gives {backbone.feature_dim}."
        )


@contextmanager
def _of_a_card() -> Iterator[None]:
    """Blame the card where its parts do not fit."""
    try:
        yield
    except UsageError as error:
        raise RegistryError(f"The card's parts do not fit: {error}") from error


@contextmanager
def _naming(name: str, zoo: Installed) -> Iterator[None]:
    """Say which registry and model an error of a card's parts comes from."""
    try:
        yield
    except (RegistryError, UsageError, UnknownNameError) as error:
        raise RegistryError(f"{zoo.catalogue.origin(name)}: models.{name}: {error}") from error


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
    with _naming(name, zoo):
        preprocessor = build_preprocessor(card, zoo)
    if preprocessor_options:
        options_of_card = with_preprocessor_options(card, preprocessor_options).preprocessor.options
        preprocessor = zoo.preprocessor(card.preprocessor.name, **with_tuples(options_of_card))
    return [read_and_apply(image, index, preprocessor.stages, options) for index, image in enumerate(images)]


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
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(f"{self.path}: cannot be read ({error.strerror or error}).") from error


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
    if published is not None:
        with _naming(name, zoo):
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


def _head(file: WeightFile, name: str, outputs: int, feature_dim: int) -> nn.Linear:
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
