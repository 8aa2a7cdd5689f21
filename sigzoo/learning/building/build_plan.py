"""What a build would do: its settings, the files it needs, what is there already; nothing is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigzoo import recipes
from sigzoo.artifacts.built import built_folder, run_folder
from sigzoo.artifacts.home import artifact_folder, is_file, is_folder, target_path
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.artifacts.urls import package_file
from sigzoo.artifacts.verification import has_stamp, stamp_path
from sigzoo.data import open_npz
from sigzoo.errors import ArtifactError, DataError, UsageError
from sigzoo.interfaces import Size
from sigzoo.learning.building.estimate import Estimate, estimate
from sigzoo.loading import build_backbone, build_preprocessor
from sigzoo.registry import Card
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.recipe_settings import RecipeSettings
from sigzoo.zoo import Zoo, default_zoo, resolve_zoo

__all__ = ["Need", "Plan", "changed_settings", "plan", "recipe_settings", "run_name"]


@dataclass(frozen=True)
class Need:
    """A file that a build needs."""

    name: str
    size: int | None
    """In bytes; `None` where nobody published it."""
    state: str
    """``here``, ``here, not verified yet``, or ``to be fetched``."""
    path: Path
    """Where it is, or will be."""


@dataclass(frozen=True)
class Plan:
    """What a build would do."""

    name: str
    teacher: str
    data: str
    backbone: str
    parameters: int
    """Of the student, its writer head included."""
    loss: str
    loss_options: Mapping[str, Any]
    settings: Mapping[str, Any]
    """What the recipe says, and what was said otherwise."""
    changed: Mapping[str, Any]
    """What was said otherwise."""
    needs: tuple[Need, ...]
    images: int | None
    """In the data; `None` where that cannot be told before they are fetched."""
    state: str
    """Whether the model is built already."""
    interrupted: bool
    """Whether a build was begun and has not ended."""
    output: Path
    licence: str
    commercial_use: bool
    cost: str | None
    """What a build took where it was tried, as the card says it."""
    estimate: Estimate


def recipe_settings(
    name: str, changed: Mapping[str, Any] | None = None, *, device: str = "auto"
) -> DistillationSettings:
    """The settings of the run that builds a model.

    Parameters
    ----------
    name
        A model that has a recipe.
    changed
        Settings to have otherwise than the recipe says.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ...

    Raises
    ------
    UsageError, UnknownNameError
        If a setting is none of a recipe's, or a value out of range.
    """
    name, recipe = recipes.find_recipe(name, default_zoo())
    card = default_zoo().info(name)
    unknown = sorted(set(changed or {}) - set(RecipeSettings.__struct_fields__))
    if unknown:
        known = ", ".join(RecipeSettings.__struct_fields__)
        raise UsageError(f"A recipe has no setting {', '.join(unknown)}; it has {known}.")
    return DistillationSettings(
        teacher=recipe.teacher,
        data=recipe.data,
        backbone=card.backbone.name,
        backbone_options=card.backbone.options,
        loss=recipe.loss.name,
        loss_options=recipe.loss.options,
        output=run_folder(name),
        name=run_name(name),
        device=device,
        code_licence=card.licence.code,
        weights_licence=card.licence.weights,
        commercial_use=card.licence.commercial_use,
        trained_on=card.trained_on,
        **{**recipe.settings.given(), **(changed or {})},
    )


def run_name(name: str) -> str:
    """The name of a build's run; the model's own is taken by its card."""
    return f"{name}-run"


def changed_settings(name: str, changed: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of some settings is really otherwise than the recipe has it."""
    if not changed:
        return {}
    before, after = recipe_settings(name), recipe_settings(name, changed)
    return {key: value for key, value in changed.items() if getattr(before, key) != getattr(after, key)}


def plan(
    name: str, changed: Mapping[str, Any] | None = None, *, device: str = "auto", zoo: Zoo | None = None
) -> Plan:
    """Find out what a build would do; opens no socket and writes nothing.

    The time is estimated: a few steps with random weights and images are timed on this machine.

    Parameters
    ----------
    name, changed, device, zoo
        As for `build`.

    Returns
    -------
    Plan
        Parts, settings, what must be fetched, and an estimate of the time.

    Raises
    ------
    UnknownNameError, UsageError, PluginError, RegistryError
        As `build` does.
    """
    with resolve_zoo(zoo).as_default():
        return _plan(name, changed, device)


def _plan(name: str, changed: Mapping[str, Any] | None, device: str) -> Plan:
    name, recipe = recipes.find_recipe(name, default_zoo())
    card, teacher = default_zoo().info(name), default_zoo().info(recipe.teacher)
    default_zoo().require_components(name, card)
    default_zoo().require_components(recipe.teacher, teacher)
    settings = recipe_settings(name, changed, device=device)
    student = build_backbone(card, default_zoo())
    size = _input_size(card)
    writers = card.heads["writer"]
    parameters = sum(each.numel() for each in student.parameters()) + (student.feature_dim + 1) * writers
    needs = tuple(map(_need, recipes.needed_files(recipe, default_zoo())))
    images = _images(default_zoo().artifact_spec(recipe.data), size)
    return Plan(
        name=name,
        teacher=recipe.teacher,
        data=recipe.data,
        backbone=card.backbone.name,
        parameters=parameters,
        loss=recipe.loss.name,
        loss_options=recipe.loss.options,
        settings={**recipe.settings.given(), **(changed or {})},
        changed=changed_settings(name, changed),
        needs=needs,
        images=images,
        state=recipes.build_state(name, default_zoo()),
        interrupted=is_folder(run_folder(name)),
        output=built_folder(name),
        licence=card.licence.weights,
        commercial_use=card.licence.commercial_use,
        cost=recipe.cost,
        estimate=estimate(
            student, build_backbone(teacher, default_zoo()), settings, size, writers=writers, images=images
        ),
    )


def _input_size(card: Card) -> Size:
    size = build_preprocessor(card, default_zoo()).output_size
    assert size is not None  # a recipe's data are images of one size
    return size


def _need(spec: ArtifactSpec) -> Need:
    """Look for a file without hashing it, which would leave a stamp."""
    path = target_path(spec)
    for url in spec.urls:
        try:
            inside = package_file(url)
        except ArtifactError:
            continue
        if inside is not None:
            path = inside
    if not is_file(path):
        return Need(spec.name, spec.size, "to be fetched", path)
    mark = stamp_path(artifact_folder(spec.name), spec.stored_name)
    known = has_stamp(mark, path, spec)
    return Need(spec.name, spec.size, "here" if known else "here, not verified yet", path)


def _images(spec: ArtifactSpec, size: Size) -> int | None:
    """How many images the data hold: counted where they are here, else told from their size."""
    path = target_path(spec)
    if is_file(path):
        try:
            with open_npz(path) as file:
                return file["x"].shape[0]
        except (DataError, IndexError):
            return None
    # float32 images, uncompressed, with two labels of 8 bytes each, as the published file has them.
    return None if spec.size is None else spec.size // (size[0] * size[1] * 4 + 16)
