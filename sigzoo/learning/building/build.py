"""`build`: from a card's recipe to a model that loads by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigzoo import recipes
from sigzoo.artifacts import fetch_with_bar, locate
from sigzoo.artifacts.built import (
    WEIGHTS,
    read_built,
    remove_folder,
    replacing,
    run_folder,
    verified_weights,
    write_provenance,
)
from sigzoo.artifacts.home import make_folder, storage_errors
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.verification import digests_of
from sigzoo.common.json_values import to_json_values
from sigzoo.common.progress import ProgressLike
from sigzoo.errors import ArtifactError, OfflineError, SigzooError, UsageError
from sigzoo.learning.building.agreement import Agreement, answers, compare_answers
from sigzoo.learning.building.build_plan import changed_settings, recipe_settings
from sigzoo.learning.building.provenance import is_whole, metadata, provenance
from sigzoo.learning.data.on_disk import StoredData
from sigzoo.learning.data.splits import split_per_writer
from sigzoo.learning.distillation.distill import distill
from sigzoo.learning.distillation.labels import head_labels
from sigzoo.learning.distillation.teacher_defaults import resolve_settings
from sigzoo.learning.training.distributed import session
from sigzoo.learning.training.loop import DivergedError
from sigzoo.learning.training.results import EpochResult, TrainingResult
from sigzoo.learning.training.run_folder import SETTINGS
from sigzoo.registry import Recipe
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.weights import read_weights, save_weights
from sigzoo.zoo import Zoo, default_zoo, resolve_zoo

__all__ = ["BuildError", "BuildResult", "build"]

_RECIPE = "recipe.json"


class BuildError(SigzooError):
    """A student that learnt nothing of its teacher; it is not stored, its run is kept."""


@dataclass(frozen=True)
class BuildResult:
    """A model that `sigzoo.load` takes by its name."""

    name: str
    weights: Path
    provenance: Mapping[str, Any]
    """What ``provenance.json`` beside the weights holds."""
    new: bool
    """Whether it was built now."""


def build(
    name: str,
    *,
    changed: Mapping[str, Any] | None = None,
    device: str = "auto",
    force: bool = False,
    progress: ProgressLike = False,
    on_epoch: Callable[[EpochResult], object] | None = None,
    zoo: Zoo | None = None,
) -> BuildResult:
    """Make the weights of a model that is made by a recipe, and keep them in the cache under its name.

    Fetches what is needed, distils, and compares the student with its teacher on images held out. A
    build that was interrupted goes on after its last whole epoch. Of several processes that build
    the same model one does, the others wait for it.

    Parameters
    ----------
    name
        A model that has a recipe.
    changed
        Settings to have otherwise than the recipe says, such as ``{"epochs": 5}``; the provenance
        tells of them.
    device
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ...
    force
        Begin anew, whatever was built or begun before.
    progress
        `True` for a bar on stderr, or a function that is told how many more steps are done.
    on_epoch
        Called after each epoch.
    zoo
        Where the card and its parts are looked up; the environment's by default.

    Returns
    -------
    BuildResult
        Where the weights lie, and their provenance.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    UsageError
        If it has no recipe, if a setting does not fit, or if something with other settings was built
        or begun before.
    ArtifactError
        If the teacher or the data cannot be had, or the cache cannot be written.
    BuildError
        If the student does not agree with its teacher often enough.
    DivergedError
        If the loss is no longer finite.
    """
    with resolve_zoo(zoo).as_default():
        return _build(name, changed, device, force, progress, on_epoch)


def _build(
    name: str,
    changed: Mapping[str, Any] | None,
    device: str,
    force: bool,
    progress: ProgressLike,
    on_epoch: Callable[[EpochResult], object] | None,
) -> BuildResult:
    name, recipe = recipes.find_recipe(name, default_zoo())
    _require_one_process(name)
    _require_no_namesake(recipe.data)
    default_zoo().require_components(name, default_zoo().info(name))
    default_zoo().require_components(recipe.teacher, default_zoo().info(recipe.teacher))
    settings = resolve_settings(recipe_settings(name, changed, device=device))
    _check_early(settings)
    own = changed_settings(name, changed)
    here = None if force else _here(name, own, settings)
    if here is not None:
        return here
    with locked(f"building-{name}", f"building {name}"):
        here = None if force else _here(name, own, settings)  # another process may have built it meanwhile
        if here is not None:
            return here
        _fetch_all(name, recipe)
        resume = _prepare(name, settings, force)
        result = _distilled(name, settings, resume, progress, on_epoch)
        stored = _store(name, settings, own, result)
        with storage_errors(run_folder(name)):
            remove_folder(run_folder(name))
    return stored


def _require_one_process(name: str) -> None:
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError(
            f"{name}: a build runs in one process. In several, `torchrun ... -m sigzoo distill` trains, and"
            " `weights=FILE` loads what comes of it."
        )


def _require_no_namesake(data: str) -> None:
    """A file of the current folder would be taken in place of the artifact of that name."""
    if Path(data).exists():
        raise UsageError(
            f"The current folder holds something named {data}, as the artifact is that is needed here."
            " Build from another folder."
        )


def _check_early(settings: DistillationSettings) -> None:
    """Find what would fail, before gigabytes are fetched."""
    default_zoo().loss(settings.loss, **with_tuples(settings.loss_options))
    with session(settings.device):
        pass


def _here(name: str, own: Mapping[str, Any], settings: DistillationSettings) -> BuildResult | None:
    """What was built before, unless it is of no use any more or a forced build of these settings goes on."""
    try:
        model = read_built(name)
        if model is None or recipes.differences(model, default_zoo()) or not is_whole(model.provenance):
            return None
        weights = verified_weights(model)
    except ArtifactError:
        return None
    different = _different(model.provenance["overrides"], to_json_values(dict(own)))
    if different and read_json(run_folder(name) / _RECIPE) == _asked(name, settings):
        return None
    if different:
        raise UsageError(
            f"{name} is built already, with other settings: {', '.join(different)}. --force builds it again;"
            " what is there can be used as it is, by its name."
        )
    return BuildResult(name, weights, model.provenance, new=False)


def _different(one: object, other: Mapping[str, Any]) -> list[str]:
    if not isinstance(one, Mapping):
        return sorted(other)
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _fetch_all(name: str, recipe: Recipe) -> None:
    """Fetch what the recipe needs; offline, say of all that is missing at once."""
    missing = []
    for spec in recipes.needed_files(recipe, default_zoo()):
        try:
            fetch_with_bar(spec)
        except OfflineError as error:
            missing.append(str(error))
    if missing:
        what = "a file" if len(missing) == 1 else f"{len(missing)} files"
        raise OfflineError(f"{name} cannot be built without {what}:\n" + "\n".join(missing))


def _asked(name: str, settings: DistillationSettings) -> dict[str, Any]:
    """What decides a run, as the file in its folder holds it."""
    facts = {"recipe": recipes.recipe_facts(name, default_zoo()), "settings": settings.for_publication()}
    asked: dict[str, Any] = to_json_values(facts)
    return asked


def _prepare(name: str, settings: DistillationSettings, force: bool) -> bool:
    """Make the folder of the run; whether it holds one that goes on.

    Raises
    ------
    UsageError
        If it holds one with other settings, or of another recipe.
    """
    folder = run_folder(name)
    recipe_file = folder / _RECIPE
    wanted = _asked(name, settings)
    begun = None if force else read_json(recipe_file)
    if begun is not None and begun != wanted:
        parts = [
            *_different(begun.get("settings"), wanted["settings"]),
            *_different(begun.get("recipe"), wanted["recipe"]),
        ]
        raise UsageError(
            f"{name}: an interrupted build in {folder} has other settings: {', '.join(parts)}. Go on with the"
            " same, or begin anew with --force."
        )
    if begun is not None and (folder / SETTINGS).exists():
        return True
    with storage_errors(folder):
        if os.path.lexists(folder):
            remove_folder(folder)
    make_folder(folder)
    write_json(recipe_file, wanted)
    return False


def _distilled(
    name: str,
    settings: DistillationSettings,
    resume: bool,
    progress: ProgressLike,
    on_epoch: Callable[[EpochResult], object] | None,
) -> TrainingResult:
    """Distil, and say in an error's message what is kept."""
    try:
        return distill(settings, resume=resume, progress=progress, on_epoch=on_epoch)
    except DivergedError as error:
        raise DivergedError(
            f"{name}: {error} Here that is `sigzoo build {name} --force --learning-rate ...`, which begins"
            " anew."
        ) from error
    except SigzooError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise SigzooError(
            f"{name}: {error} `sigzoo build {name}` goes on after the last whole epoch."
        ) from error


def _store(
    name: str,
    settings: DistillationSettings,
    own: Mapping[str, Any],
    result: TrainingResult,
) -> BuildResult:
    """Keep a run's weights under the model's name, once the model that loads so agrees with its teacher."""
    trained = read_weights(result.weights, "safetensors")
    with replacing(name) as folder:
        weights = save_weights(folder / WEIGHTS, trained.tensors, trained.heads, metadata(name, settings))
        agreement = _measure(name, settings, weights)
        if not agreement.sane:
            raise BuildError(
                f"{name}: the student names the writer that {settings.teacher} names for"
                f" {agreement.percent:.1f} % of the {agreement.images} images held out; at least"
                f" {agreement.required:.1f} % is required ({agreement.constant:.1f} % is had by always naming"
                f" one). It is not stored; its run is kept in {run_folder(name)}. Begin anew with"
                f" other settings: `sigzoo build {name} --force --epochs ... --learning-rate ...`."
            )
        found = digests_of(weights)
        facts = provenance(name, settings, own, result, agreement)
        write_provenance(folder, name, found.sha256, found.size, facts)
    model = read_built(name)
    assert model is not None
    return BuildResult(name, verified_weights(model), model.provenance, new=True)


def _measure(name: str, settings: DistillationSettings, weights: Path) -> Agreement:
    """Compare the model as it loads with its teacher, on the images that its run held out."""
    recipe = default_zoo().info(name).recipe
    assert recipe is not None
    student = default_zoo().load(name, weights=weights, device=settings.device)
    teacher = default_zoo().load(settings.teacher, device=settings.device)
    path = locate(default_zoo().artifact_spec(recipe.data))
    assert path is not None  # it has just been learnt from
    with closing(StoredData(path)) as data:
        outputs = teacher.heads["writer"].out_features
        data.writers = head_labels(data.numbers, outputs, first_label=settings.first_label, where=str(path))
        held_out = split_per_writer(data, settings.validation, settings.seed).validation
        return compare_answers(
            answers(teacher, data, held_out), answers(student, data, held_out), recipe.min_agreement
        )
