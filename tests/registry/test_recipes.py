"""Recipes in a registry: settings that exist, a teacher that can teach, a licence that is not widened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigzoo.errors import RegistryError
from sigzoo.registry import Catalogue, core_registry_path, read_registry
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.recipe_settings import RecipeSettings
from sigzoo.testing import REGISTRY, ConformanceFailure, check_registry

Write = Callable[..., Path]


def card(**otherwise: Any) -> dict[str, Any]:
    """A card of a network with a writer head."""
    return {
        "summary": "a network",
        "distribution": "some-plugin",
        "backbone": "net",
        "preprocessor": {"name": "plain", "size": [12, 16]},
        "input_scale": 0.5,
        "features": {"layer": "fc", "size": 8},
        "heads": {"writer": 5},
        "licence": {"code": "MIT", "weights": "for research only", "commercial_use": False},
        "trained_on": "signatures",
        **otherwise,
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a registry of a teacher and its student; the recipe and the cards can be said otherwise."""

    def written(
        recipe: dict[str, Any] | None = None,
        student: dict[str, Any] | None = None,
        teacher: dict[str, Any] | None = None,
    ) -> Path:
        taught = {"teacher": "teacher", "data": "images", "loss": "kd-kl", **(recipe or {})}
        file = {"summary": "s", "urls": ["https://example.org/f"], "unpinned": True, "provenance": "a test"}
        content = {
            "models": {
                "teacher": {**card(weights={"artifact": "w", "format": "safetensors"}), **(teacher or {})},
                "student": card(**{"recipe": taught, **(student or {})}),
            },
            "artifacts": {"w": file, "images": file},
        }
        path = tmp_path / "registry.yaml"
        path.write_text(json.dumps(content))
        return path

    return written


def read(path: Path) -> Catalogue:
    known = Catalogue()
    known.add(read_registry(path), "a test")
    return known


def test_a_recipe_says_how_to_train(write: Write) -> None:
    settings = {"epochs": 7, "learning_rate": 0.5, "augment": ["ink"], "copy_head": True}
    recipe = read(write({"settings": settings, "min_agreement": 12.5})).models["student"].recipe
    assert recipe is not None
    assert recipe.settings.given() == settings
    assert recipe.min_agreement == 12.5


def test_a_recipe_that_is_silent_leaves_all_to_the_defaults(write: Write) -> None:
    recipe = read(write()).models["student"].recipe
    assert recipe is not None
    assert recipe.settings.given() == {}


def test_every_setting_of_a_recipe_is_one_of_a_distillation() -> None:
    assert set(RecipeSettings.__struct_fields__) <= set(DistillationSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("recipe", "where", "reason"),
    [
        ({"settings": {"epoch": 3}}, "recipe.settings.epoch", "unknown key"),
        ({"settings": {"data": "x"}}, "recipe.settings.data", "unknown key"),
        ({"settings": {"epochs": "many"}}, "recipe.settings.epochs", "Expected int"),
        ({"settings": {"augment": "all"}}, "recipe.settings.augment", "Expected array"),
        ({"settings": {"epochs": 0}}, "recipe.settings.epochs", "Expected int >= 1"),
        ({"settings": {"learning_rate": -1.0}}, "recipe.settings.learning_rate", "Expected float > 0.0"),
        ({"settings": {"optimiser": "adam"}}, "recipe.settings.optimiser", "Invalid enum value 'adam'"),
        ({"min_agreement": 0.0}, "recipe", "above 0 and at most 100"),
        ({"min_agreement": 101.0}, "recipe", "above 0 and at most 100"),
        ({"teacher": "techer"}, "recipe.teacher", "no model 'techer'"),
        ({"teacher": "student"}, "recipe.teacher", "cannot teach itself"),
        ({"data": "imges"}, "recipe.data", "no artifact 'imges'"),
    ],
    ids=str,
)
def test_a_fault_of_a_recipe_is_named(write: Write, recipe: dict[str, Any], where: str, reason: str) -> None:
    path = write(recipe)
    with pytest.raises(RegistryError) as caught:
        read(path)
    assert f"{path}: models.student.{where}" in str(caught.value)
    assert reason in str(caught.value)
    with pytest.raises(ConformanceFailure, match="models.student"):
        check_registry(path)


@pytest.mark.parametrize(
    ("student", "teacher", "reason"),
    [
        ({}, {"heads": {}}, r"recipe\.teacher: 'teacher' keeps no writer head"),
        ({"heads": {}}, {}, r"heads: a student of 'teacher' keeps a writer head of 5 outputs"),
        ({"heads": {"writer": 4}}, {}, r"heads: a student of 'teacher' keeps a writer head of 5 outputs"),
        ({"preprocessor": "plain"}, {}, r"preprocessor: a student sees what its teacher sees"),
        ({"input_scale": 1.0}, {}, r"preprocessor: a student sees what its teacher sees"),
        (
            {"licence": {"code": "MIT", "weights": "MIT", "commercial_use": True}},
            {},
            r"licence\.commercial_use: distilled from 'teacher', whose weights are not free",
        ),
    ],
    ids=str,
)
def test_a_student_goes_with_its_teacher(
    write: Write, student: dict[str, Any], teacher: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RegistryError, match=reason):
        read(write({}, student, teacher))


def test_the_recipes_that_ship_state_all_that_decides_their_result() -> None:
    """A default that changes must not change a model of the same name."""
    deciding = {
        "epochs",
        "batch_size",
        "optimiser",
        "learning_rate",
        "weight_decay",
        "weight_decay_on",
        "schedule",
        "seed",
    }
    recipes = [each.recipe for each in read_registry(core_registry_path()).models.values() if each.recipe]
    assert len(recipes) >= 3
    for recipe in recipes:
        assert deciding | {"validation"} <= set(recipe.settings.given())


def test_the_thin_student_is_trained_as_the_published_program_does() -> None:
    """Defaults of continual_sigver's distill.py: a fact about another program, not our output."""
    thin = read_registry(core_registry_path()).models["signet-student-thin"].recipe
    assert thin is not None
    published = {"epochs": 60, "batch_size": 32, "optimiser": "sgd", "learning_rate": 1e-3, "momentum": 0.9}
    published |= {
        "weight_decay": 1e-4,
        "schedule": "steps",
        "lr_steps": 3,
        "clip_value": 10.0,
        "validation": 0.1,
    }
    given = thin.settings.given()
    assert {key: given[key] for key in published} == published
    assert (thin.loss.name, thin.loss.options) == ("kd-kl", {"temperature": 1.0})


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"settings": {"batch_size": 8, "per_writer": 9}}, "per_writer must be at most batch_size"),
        ({"loss": "kd-lk"}, "Did you mean kd-kl"),
        ({"loss": {"name": "kd-kl", "heat": 2}}, "takes no option 'heat'"),
        ({"loss": "am-softmax"}, "'am-softmax' learns from no teacher"),
    ],
    ids=str,
)
def test_a_recipe_that_cannot_be_followed_fails_the_check_of_registries(
    write: Write, recipe: dict[str, Any], reason: str
) -> None:
    path = write(recipe)
    others = tuple(name for name in REGISTRY.checks if name != "recipes")
    with pytest.raises(ConformanceFailure, match=f"recipes: models.student.recipe.*{reason}"):
        check_registry(path, skip=others)


def test_the_recipes_that_ship_can_be_followed() -> None:
    others = tuple(name for name in REGISTRY.checks if name != "recipes")
    check_registry(core_registry_path(), skip=others)
