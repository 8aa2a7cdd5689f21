"""The functions at the root of `sigzoo` that look things up: each asks the default zoo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigzoo.zoo import Zoo, default_zoo, resolve_zoo

if TYPE_CHECKING:
    import torch

    from sigzoo.interfaces import Backbone, Loss, Preprocessor
    from sigzoo.model import SignatureModel
    from sigzoo.registry import Card

__all__ = [
    "backbone",
    "fetch",
    "info",
    "list_backbones",
    "list_losses",
    "list_models",
    "list_preprocessors",
    "load",
    "loss",
    "preprocessor",
]


def load(
    name: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "auto",
    runtime: str = "torch",
    precision: str = "float32",
    weights: str | os.PathLike[str] | None = None,
    preprocessor_options: Mapping[str, Any] | None = None,
    zoo: Zoo | None = None,
) -> SignatureModel:
    """Load a model: fetch and verify its weights, build its parts, set it to evaluation mode.

    Parameters
    ----------
    name
        A name or alias of the registry, or the folder of a training run; the bundled default without
        one, which needs no network.
    device
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    runtime
        What runs the network: ``"torch"``, ``"torch-compiled"``, ``"onnx"``, ``"openvino"``, or what a plugin
        brings. The third and fourth load without torch once a model's graph is in the cache.
    precision
        What it computes in: ``"float32"``, ``"bfloat16"`` (torch, openvino), ``"int8"`` (onnx, openvino), on
        a GPU also ``"tf32"`` and ``"float16"``.
        Features are float32 in any case; ``sigzoo check NAME --precision P`` tells how far off they are.
    weights
        A local file in place of the published one: in the card's format, in any format of state dicts
        where the card's is one, safetensors as `sigzoo convert` writes them, or a zip archive that holds
        such a file. See `sigzoo.weights.read_local_weights`.
    preprocessor_options
        Options of the preprocessor beside, or in place of, the card's: ``{"canvas": "cedar"}``, as the
        published SigNet is used with a canvas for each data set. ``model.card`` states them.
    zoo
        Where names are looked up; the environment's by default.

    Returns
    -------
    SignatureModel
        Ready to `embed`.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    UsageError
        If the preprocessor does not take the options, or does not fit the network with them. If the runtime
        or the machine does not compute in the precision.
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
    return resolve_zoo(zoo).load(
        name,
        device=device,
        runtime=runtime,
        precision=precision,
        weights=weights,
        preprocessor_options=preprocessor_options,
    )


def list_models(pattern: str | None = None) -> list[str]:
    """Names of the models, the default's first: ``sigzoo.list_models("signet-f*")``.

    Parameters
    ----------
    pattern
        A name, or a pattern with ``*`` and ``?``; all models without one.

    Returns
    -------
    list of str
        Names; aliases are not among them.

    Raises
    ------
    UnknownNameError
        If the pattern has no wildcard and is no model's name; with the nearest names.
    """
    return default_zoo().list_models(pattern)


def info(name: str) -> Card:
    """The card of a model, by its name or an alias.

    Parameters
    ----------
    name
        A name or an alias of the registry.

    Returns
    -------
    Card
        Licences, training data, layer and size of the features, results, citations.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    """
    return default_zoo().info(name)


def fetch(name: str, *, require_hash: bool = False) -> list[Path]:
    """Fetch and verify the files of a model or artifact: ``sigzoo.fetch("signet")``.

    What is in the cache already is not fetched again. The licence is told at the first fetch.

    Parameters
    ----------
    name
        A model, an artifact, or one file of a collection.
    require_hash
        Refuse a file of which nobody published a digest.

    Returns
    -------
    list
        Paths in the cache (or inside an installed package), one a file; empty for a model that is
        made from a recipe.

    Raises
    ------
    UnknownNameError
        If there is nothing of that name; with the nearest names.
    ArtifactError
        If a file cannot be had or is not the published one; lists each URL with what went wrong.
    """
    return default_zoo().fetch(name, require_hash=require_hash)


def backbone(name: str, /, **options: Any) -> Backbone:
    """Build a backbone with random weights: ``sigzoo.backbone("signet")``.

    Parameters
    ----------
    name
        As a plugin registers it; `list_backbones` names all.
    options
        What the backbone takes, in place of its defaults.

    Returns
    -------
    Backbone
        In training mode, on the CPU, float32.

    Raises
    ------
    UnknownNameError
        If no installed plugin provides it; with the nearest names.
    PluginError
        If its plugin is broken.
    UsageError
        If it does not take the options.
    """
    return default_zoo().backbone(name, **options)


def preprocessor(name: str, /, **options: Any) -> Preprocessor:
    """Build a preprocessor: ``sigzoo.preprocessor("signet-2017", canvas=(952, 1360))``.

    Parameters
    ----------
    name
        As a plugin registers it; `list_preprocessors` names all.
    options
        What the preprocessor takes, in place of its defaults.

    Returns
    -------
    Preprocessor
        Called with grey uint8 ``(H, W)``, dark ink, it gives uint8 ``(h, w)``, ink bright on 0.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        As `backbone` does.
    """
    return default_zoo().preprocessor(name, **options)


def loss(name: str, /, **options: Any) -> Loss:
    """Build a loss: ``sigzoo.loss("signet-f", forgery_weight=0.95)``.

    Parameters
    ----------
    name
        As a plugin registers it; `list_losses` names all.
    options
        What the loss takes, in place of its defaults.

    Returns
    -------
    Loss
        Not yet prepared for a number of features and writers.

    Raises
    ------
    UnknownNameError, PluginError, UsageError
        As `backbone` does.
    """
    return default_zoo().loss(name, **options)


def list_backbones() -> list[str]:
    """Names of the backbones that the installed plugins provide.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return default_zoo().list_components("backbone")


def list_preprocessors() -> list[str]:
    """Names of the preprocessors that the installed plugins provide.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return default_zoo().list_components("preprocessor")


def list_losses() -> list[str]:
    """Names of the losses that the installed plugins provide.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return default_zoo().list_components("loss")
