"""What a training run leaves: the log, the curve, the weights, and the fragment of a registry."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from sigzoo import __version__
from sigzoo.common.json_values import to_json_values
from sigzoo.datasets.synthetic import is_synthetic, parse_synthetic
from sigzoo.errors import SigzooError
from sigzoo.learning.files import write_whole
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.settings.training_settings import NOT_STATED, TrainingSettings
from sigzoo.weights import save_weights
from sigzoo.zoo import default_zoo

__all__ = ["EpochResult", "TrainingResult", "draw_curve", "publish", "write_log"]

WEIGHTS, REGISTRY, LOG, CURVE = "model.safetensors", "registry.yaml", "log.csv", "curve.png"


@dataclass(frozen=True)
class EpochResult:
    """One epoch; a row of ``log.csv``. Rates of error and accuracy in percent."""

    epoch: int
    """From 1."""
    rate: float
    """Learning rate of its last step."""
    loss: float
    """Mean over the training batches."""
    accuracy: float | None
    eer: float
    eer_skilled: float | None
    seconds: float
    best: bool
    """Whether it was the best so far, so that its weights were kept."""
    agreement: float | None = None
    """Images held out that get the writer whom the teacher gives them; `None` without a teacher."""
    accuracy_new: float | None = None
    eer_new: float | None = None
    """On the new data of continual learning."""
    verification: float | None = None
    """Mean logarithm of the equal error rates on data of unseen writers; with them `eer` and `eer_skilled`
    are the means over those data."""


@dataclass(frozen=True)
class TrainingResult:
    """What came of a run."""

    name: str
    """The model's name; ``Zoo(registries=[result.registry])`` knows it."""
    folder: Path
    """The run's folder, which `sigzoo.load` takes."""
    weights: Path
    registry: Path
    log: Path
    epochs: tuple[EpochResult, ...]
    best: EpochResult
    """The epoch whose weights were kept."""


def write_log(folder: Path, epochs: Sequence[EpochResult]) -> Path:
    """Write a row for each epoch, numbers with all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(EpochResult)], lineterminator="\n")
    writer.writeheader()
    for epoch in epochs:
        writer.writerow({key: "" if value is None else value for key, value in asdict(epoch).items()})
    write_whole(folder / LOG, text.getvalue().encode())
    return folder / LOG


def publish(
    folder: Path,
    name: str,
    settings: TrainingSettings,
    network: TrainedNetwork,
    epoch: EpochResult,
    exported: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write the weights and the registry fragment that makes a model of them.

    `exported` are heads beside the network's own.

    The fragment goes away before the weights change, so that it never names others than it has.

    Raises
    ------
    SigzooError
        If they cannot be written.
    """
    weights, registry = folder / WEIGHTS, folder / REGISTRY
    try:
        registry.unlink(missing_ok=True)
    except OSError as error:
        raise SigzooError(f"{registry}: cannot be replaced: {error.strerror or error}.") from error
    heads = {**(exported or {}), **{key: head.state_dict() for key, head in network.heads.items()}}
    facts = {
        "model": name,
        "epoch": str(epoch.epoch),
        "settings": json.dumps(settings.for_publication(), sort_keys=True),
        "licence_weights": settings.weights_licence,
        "trained_on": _trained_on(settings),
        "sigzoo_version": __version__,
    }
    stored = torch.float16 if settings.store_precision == "float16" else torch.float32
    tensors = _stored(network.backbone.state_dict(), stored)
    save_weights(weights, tensors, {key: _stored(each, stored) for key, each in heads.items()}, facts)
    outputs = {key: int(each["weight"].shape[0]) for key, each in heads.items()}
    entry = _registry(name, settings, network, weights, outputs)
    text = f"# Written by `sigzoo {settings.command}`. Use it with SIGZOO_REGISTRY or `sigzoo --registry`.\n"
    text += yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=110)
    write_whole(registry, text.encode())


def _registry(
    name: str,
    settings: TrainingSettings,
    network: TrainedNetwork,
    weights: Path,
    heads: Mapping[str, int],
) -> dict[str, Any]:
    content = weights.read_bytes()
    backbone = network.backbone
    provided = default_zoo().manager.provided("backbone")
    distribution = provided[settings.backbone].distribution
    artifact = f"{name}-weights"
    card: dict[str, Any] = {
        "summary": settings.summary(),
        "distribution": distribution,
        "backbone": _component(settings.backbone, settings.backbone_options),
        "preprocessor": _component(settings.preprocessor, settings.preprocessor_options),
        "input_scale": network.input_scale,
        "weights": {"artifact": artifact, "format": "safetensors"},
        "features": {"layer": backbone.layers[-1], "size": backbone.feature_dim},
        "licence": {
            "code": _code_licence(settings, distribution),
            "weights": settings.weights_licence,
            "commercial_use": settings.commercial_use,
        },
        "trained_on": _trained_on(settings),
    }
    if heads:
        card["heads"] = dict(heads)
    file: dict[str, Any] = {
        "summary": f"weights of {name}",
        "urls": [f"file:{weights.name}"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "provenance": f"made by `sigzoo {settings.command}`; settings.json beside it holds the settings",
    }
    if settings.weights_licence != NOT_STATED:
        file["licence"] = settings.weights_licence
    return {"models": {name: card}, "artifacts": {artifact: file}}


def _stored(tensors: Mapping[str, Tensor], precision: torch.dtype) -> dict[str, Tensor]:
    """Tensors as they are kept: on the CPU, those of float32 in another precision."""
    return {
        name: (each.to(precision) if each.dtype == torch.float32 else each).detach().cpu().contiguous()
        for name, each in tensors.items()
    }


def _component(name: str, options: Mapping[str, Any]) -> str | dict[str, Any]:
    return {"name": name, **to_json_values(dict(options))} if options else name


def _code_licence(settings: TrainingSettings, distribution: str) -> str:
    """What was said, else what the plugin's distribution says of itself."""
    if settings.code_licence != NOT_STATED:
        return settings.code_licence
    try:
        found = metadata(distribution)
    except PackageNotFoundError:
        return NOT_STATED
    return str(found["License-Expression"]) if "License-Expression" in found else NOT_STATED


def _trained_on(settings: TrainingSettings) -> str:
    if settings.trained_on is not None:
        return settings.trained_on
    return parse_synthetic(settings.data).describe() if is_synthetic(settings.data) else NOT_STATED


def draw_curve(path: Path, epochs: Sequence[EpochResult]) -> None:
    """Draw loss, accuracy and error rates over the epochs.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    SigzooError
        If the file cannot be written.
    """
    from sigzoo.imaging.figures import new_figure

    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    numbers = [each.epoch for each in epochs]
    left.plot(numbers, [each.loss for each in epochs], color="tab:blue")
    left.set(title="training loss", xlabel="epoch")
    for key, label in (
        ("accuracy", "accuracy"),
        ("agreement", "agreement with the teacher"),
        ("accuracy_new", "accuracy, new writers"),
        ("eer", "EER, random forgeries"),
        ("eer_skilled", "EER, skilled forgeries"),
        ("eer_new", "EER, new writers"),
    ):
        values = [getattr(each, key) for each in epochs]
        if None not in values:
            right.plot(numbers, values, label=label)
    kept = [each.epoch for each in epochs if each.best][-1]
    right.axvline(kept, color="0.6", linestyle=":", label="epoch kept")
    right.set(title="signatures held out, %", xlabel="epoch", ylim=(0, 100))
    right.legend(fontsize=8)
    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format="png")
    write_whole(path, content.getvalue())
