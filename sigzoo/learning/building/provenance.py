"""What is written down of a build: inside the weight file, and beside it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sigzoo import __version__, recipes
from sigzoo.artifacts import ArtifactSpec, locate
from sigzoo.artifacts.built import WEIGHTS, read_built
from sigzoo.artifacts.home import artifact_folder
from sigzoo.artifacts.json_records import read_json
from sigzoo.artifacts.verification import stamp_path
from sigzoo.learning.building.agreement import Agreement
from sigzoo.learning.training.results import TrainingResult
from sigzoo.registry import Card
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.zoo import default_zoo

__all__ = ["is_whole", "metadata", "provenance"]


def metadata(name: str, settings: DistillationSettings) -> dict[str, str]:
    """What the weight file says of itself; nothing that differs from one machine or day to another."""
    card = default_zoo().info(name)
    return {
        "model": name,
        "teacher": settings.teacher,
        "recipe_sha256": recipes.recipe_digest(recipes.recipe_facts(name, default_zoo())),
        "settings": json.dumps(settings.for_publication(), sort_keys=True),
        "licence_code": card.licence.code,
        "licence_weights": card.licence.weights,
        "commercial_use": "yes" if card.licence.commercial_use else "no",
        "trained_on": card.trained_on,
        "sigzoo_version": __version__,
    }


def provenance(
    name: str,
    settings: DistillationSettings,
    own: Mapping[str, Any],
    result: TrainingResult,
    agreement: Agreement,
) -> dict[str, Any]:
    """What ``provenance.json`` tells: all that went into a model, and what came of it.

    Parameters
    ----------
    name, settings
        The model, and how it was made.
    own
        What of the settings is otherwise than its recipe says.
    result
        Its run.
    agreement
        With its teacher.
    """
    card = default_zoo().info(name)
    recipe = recipes.recipe_facts(name, default_zoo())
    agreed = {
        key: round(value, 2) if isinstance(value, float) else value
        for key, value in asdict(agreement).items()
    }
    return {
        "recipe": recipe,
        "recipe_sha256": recipes.recipe_digest(recipe),
        "overrides": dict(own),
        "settings": settings.for_publication(),
        "files": _files(card),
        "agreement": agreed,
        "epoch": result.best.epoch,
        "epochs": [asdict(each) for each in result.epochs],
        "licence": {
            "code": card.licence.code,
            "weights": card.licence.weights,
            "commercial_use": card.licence.commercial_use,
        },
        "versions": _versions(name),
        "built": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(sum(each.seconds for each in result.epochs), 1),
    }


def is_whole(provenance: Mapping[str, Any]) -> bool:
    """Whether a provenance that was read holds what is told of a model that was built before."""
    needed = {"agreement": {"images", "percent", "required"}, "licence": {"weights"}, "overrides": set[str]()}
    parts = all(
        isinstance(provenance.get(key), dict) and own <= provenance[key].keys() for key, own in needed.items()
    )
    return parts and isinstance(provenance.get("built"), str)


def _files(card: Card) -> dict[str, Any]:
    """What went in: the data, and the weights of the teacher, fetched or built from a recipe of its own."""
    assert card.recipe is not None
    files = {spec.name: _file_facts(spec) for spec in recipes.needed_files(card.recipe, default_zoo())}
    built = read_built(card.recipe.teacher) if default_zoo().info(card.recipe.teacher).recipe else None
    if built is not None:
        files[card.recipe.teacher] = {"sha256": built.sha256, "size": built.size, "file": WEIGHTS}
    return files


def _file_facts(spec: ArtifactSpec) -> dict[str, Any]:
    """What a file was that the build used, as it was verified."""
    path = locate(spec)
    record = read_json(stamp_path(artifact_folder(spec.name), spec.stored_name))
    if path is None or record is None:
        return {"identity": spec.identity()}
    return {"sha256": record.get("sha256"), "size": record.get("size"), "file": path.name}


def _versions(name: str) -> dict[str, str]:
    card = default_zoo().info(name)
    assert card.recipe is not None
    provided = default_zoo().manager.provided("loss")
    owners = {card.distribution, default_zoo().info(card.recipe.teacher).distribution}
    if card.recipe.loss.name in provided:
        owners.add(provided[card.recipe.loss.name].distribution)
    found = {"sigzoo": __version__, "python": platform.python_version()}
    for distribution in ("torch", "numpy", *sorted(owners)):
        with suppress(PackageNotFoundError):
            found[distribution] = version(distribution)
    return found
