"""A setting is declared once: its annotation is what Python, options, JSON and recipes hold it to."""

import click
import numpy as np
import pytest

from sigzoo.cli.build import build
from sigzoo.cli.distill import distill
from sigzoo.cli.invert import invert
from sigzoo.cli.train import train
from sigzoo.errors import SigzooError, UsageError
from sigzoo.learning import DistillationSettings, InversionSettings, TrainingSettings
from sigzoo.settings.recipe_settings import RecipeSettings
from sigzoo.settings.run_settings import declarations

PARTS = {"backbone": "b", "loss": "l", "preprocessor": "p", "data": "d.npz", "output": "run"}
KINDS = {
    TrainingSettings: PARTS,
    DistillationSettings: {**PARTS, "teacher": "t"},
    InversionSettings: {"teacher": "t", "output": "d.npz"},
}
COMMANDS = [(train, TrainingSettings), (distill, DistillationSettings), (invert, InversionSettings)]
EVERY = [(kind, name) for kind in KINDS for name in declarations(kind)]
OTHERS_TYPE = [object(), 2 + 3j, b"x"]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
def test_every_setting_is_described_and_refuses_what_is_of_no_type(kind, name):
    assert declarations(kind)[name].text or (kind, name) == (DistillationSettings, "preprocessor")
    for wrong in OTHERS_TYPE:
        with pytest.raises(SigzooError, match=name):
            kind(**{**KINDS[kind], name: wrong})


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda each: getattr(each, "__name__", each))
def test_every_limit_is_kept_and_told(kind, name):
    """Values at the limits, and beside them, as the annotation's own numbers say."""
    found = declarations(kind)[name]
    if found.kind not in (int, float):
        return
    with pytest.raises(UsageError, match=name):
        kind(**{**KINDS[kind], name: float("inf")})
    for limit in found.limits:
        step = 1 if found.kind is int else 1e-9
        for key, beyond, inside in (("ge", -step, 0), ("gt", 0, step), ("le", step, 0), ("lt", 0, -step)):
            value = getattr(limit, key)
            if value is None or value > 2**62:
                continue
            with pytest.raises(UsageError, match=rf"{name} must be .*{value:.12g}"):
                kind(**{**KINDS[kind], name: found.kind(value + beyond)})
            others = {"batch_size": 64, "per_writer": 1}
            if name == "validation":  # nothing may be held out where other writers are measured
                others["validation_data"] = ("others.npz",)
            assert (
                getattr(kind(**{**KINDS[kind], **others, name: found.kind(value + inside)}), name) is not None
            )


@pytest.mark.parametrize(("command", "kind"), COMMANDS, ids=lambda each: getattr(each, "__name__", None))
def test_a_command_has_an_option_for_every_setting_with_its_description(command, kind):
    options = {each.name: each for each in command.params if isinstance(each, click.Option)}
    teachers = (
        {"preprocessor", "preprocessor_options", "input_scale"} if kind is DistillationSettings else set()
    )
    for name, found in declarations(kind).items():
        if name in teachers:
            assert name not in options
            continue
        assert options[name].help.startswith(found.text)
        if isinstance(options[name].type, click.Choice):
            assert tuple(options[name].type.choices) == found.choices


def test_a_build_has_an_option_for_every_setting_of_a_recipe():
    assert set(RecipeSettings.__struct_fields__) <= {each.name for each in build.params}


def test_numbers_of_numpy_are_numbers():
    made = TrainingSettings(**PARTS, epochs=np.int64(3), learning_rate=np.float32(0.5), seed=np.uint8(7))
    assert (made.epochs, made.learning_rate, made.seed) == (3, 0.5, 7)
    assert [type(each) for each in (made.epochs, made.learning_rate)] == [int, float]
    with pytest.raises(UsageError, match="epochs must be a whole number"):
        TrainingSettings(**PARTS, epochs=np.float64(2.5))


def test_a_value_of_another_type_is_told_with_type_and_range():
    with pytest.raises(UsageError, match=r"^epochs must be a whole number of at least 1, got 'ten'\.$"):
        TrainingSettings(**PARTS, epochs="ten")
    with pytest.raises(UsageError, match=r"^plot must be true or false, got 1\.$"):
        TrainingSettings(**PARTS, plot=1)
    with pytest.raises(UsageError, match=r"^validation must be at least 0 and at most 0\.5, got 0\.6\.$"):
        TrainingSettings(**PARTS, validation=0.6)
