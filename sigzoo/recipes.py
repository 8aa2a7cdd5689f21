"""Cards that hold a recipe in place of weights: what decides the result, and whether it has been built."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from sigzoo.artifacts.built import BuiltModel, read_built, verified_weights
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.common.json_values import to_json_values
from sigzoo.errors import ArtifactError, UsageError, WeightsError
from sigzoo.installed import Installed
from sigzoo.registry import Recipe

__all__ = [
    "amount",
    "build_state",
    "built_weights",
    "differences",
    "find_recipe",
    "how_to_build",
    "needed_files",
    "recipe_digest",
    "recipe_facts",
]


def find_recipe(name: str, zoo: Installed) -> tuple[str, Recipe]:
    """The name and the recipe of a model, by its name or an alias.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    UsageError
        If somebody publishes its weights, so that there is nothing to build.
    """
    name = zoo.resolve(name)
    recipe = zoo.info(name).recipe
    if recipe is None:
        raise UsageError(
            f"{name} has no recipe: its weights are published. `sigzoo fetch {name}` gets them, and"
            f" `sigzoo embed -m {name}` does so by itself."
        )
    return name, recipe


def needed_files(recipe: Recipe, zoo: Installed) -> list[ArtifactSpec]:
    """The files that a recipe needs: the teacher's weights, where somebody publishes them, and the data."""
    return list(dict.fromkeys([*zoo.artifact_specs(recipe.teacher), zoo.artifact_spec(recipe.data)]))


def recipe_facts(name: str, zoo: Installed) -> dict[str, Any]:
    """Everything in the registry that decides what is built, as plain data.

    Parameters
    ----------
    name
        A model that has a recipe.
    """
    card = zoo.info(name)
    assert card.recipe is not None
    teacher = zoo.info(card.recipe.teacher)
    files = [
        (spec.name, spec.sha256 or spec.git_blob or "unpinned") for spec in needed_files(card.recipe, zoo)
    ]
    facts = {
        "teacher": {"model": card.recipe.teacher, "backbone": msgspec.to_builtins(teacher.backbone)},
        "data": card.recipe.data,
        "files": dict(files),
        "loss": msgspec.to_builtins(card.recipe.loss),
        "settings": card.recipe.settings.given(),
        "backbone": msgspec.to_builtins(card.backbone),
        "preprocessor": msgspec.to_builtins(card.preprocessor),
        "input_scale": card.input_scale,
        "heads": msgspec.to_builtins(card.heads),
    }
    found: dict[str, Any] = to_json_values(facts)
    return found


def recipe_digest(facts: dict[str, Any]) -> str:
    """SHA-256 over what `recipe_facts` gives, however it is ordered."""
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def differences(model: BuiltModel, zoo: Installed) -> list[str]:
    """Name what the registry says otherwise now than when a model was built; empty where nothing."""
    now, then = recipe_facts(model.name, zoo), model.provenance.get("recipe")
    if not isinstance(then, dict):
        return ["recipe"]
    return sorted(key for key in {*now, *then} if now.get(key) != then.get(key))


def built_weights(name: str, zoo: Installed) -> Path | None:
    """The verified weights of a model that was built on this machine; `None` where it was not.

    Raises
    ------
    WeightsError
        If the card's recipe is another one than it was built from: then the model of that name is
        another one, too.
    ArtifactError
        If its folder is damaged, or the weights are not those that were built.
    """
    model = read_built(name)
    if model is None:
        return None
    changed = differences(model, zoo)
    if changed:
        raise WeightsError(
            f"{name}: was built from another recipe than its card has now (the {', '.join(changed)} differ)."
            f" `sigzoo build {name}` builds it anew. To use the old weights as they are, name their file,"
            f" {model.weights}, with `weights=FILE`."
        )
    return verified_weights(model)


def build_state(name: str, zoo: Installed) -> str:
    """Where a model that has a recipe stands, in a word or two; no file is hashed for it."""
    try:
        model = read_built(name)
    except ArtifactError:
        return "built, damaged"
    if model is None:
        return "from a recipe"
    if differences(model, zoo):
        return "built, recipe changed"
    return "built, changed" if model.state == "changed" else "built"


def how_to_build(name: str, zoo: Installed) -> str:
    """Say which command makes a model, what that needs, and the licence of the result."""
    card = zoo.info(name)
    assert card.recipe is not None
    files = " and ".join(f"{spec.name} ({amount(spec.size)})" for spec in needed_files(card.recipe, zoo))
    return (
        f"`sigzoo build {name}` makes it on this machine; it needs {files}, fetches what is not in the cache,"
        f" and says with --dry-run how long it would take. Licence of the result: {card.licence.weights}"
    )


def amount(size: int | None) -> str:
    """A size in bytes as people say it: 67.6 MB."""
    if size is None:
        return "size not published"
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min((len(str(size)) - 1) // 3, len(units) - 1)
    return f"{size} bytes" if not power else f"{size / 1000**power:.1f} {units[power]}"
