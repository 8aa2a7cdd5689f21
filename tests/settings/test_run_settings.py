"""Settings that a run keeps as JSON come back as they were, or are told to be damaged."""

import json

import pytest

from sigzoo.errors import DataError
from sigzoo.learning import DistillationSettings, InversionSettings, TrainingSettings

PARTS = {"backbone": "toy", "preprocessor": "toy-invert", "data": "data.npz", "output": "run"}
EVERY = [
    TrainingSettings(**PARTS, loss="signet", clip_norm=1, backbone_options={"size": [3, 4]}),
    DistillationSettings(
        **PARTS, teacher="signet", teacher_weights="a.pth", first_label=350, augment=("ink",)
    ),
    InversionSettings(teacher="signet", output="data.npz", size=(15, 22), compete="pupil", plot="sheet.png"),
]


def kept(settings, **otherwise):
    return {**json.loads(json.dumps(settings.to_json())), **otherwise}


def other_kinds(value):
    """Values of JSON that cannot stand where this one does."""
    every = {str: "x", bool: True, int: 3, float: 0.5, list: [1], dict: {"a": 1}}
    near = {int: (int, float), float: (int, float)}.get(type(value), (type(value),))
    return [each for kind, each in every.items() if kind not in near]


@pytest.mark.parametrize("settings", EVERY, ids=lambda each: type(each).__name__)
def test_they_come_back_as_they_were(settings):
    assert type(settings).from_json(kept(settings), "here") == settings
    assert settings.differences(type(settings).from_json(kept(settings, seed=7), "here")) == ["seed"]
    assert not settings.differences(type(settings).from_json(kept(settings, device="cuda:1"), "here"))


@pytest.mark.parametrize("settings", EVERY, ids=lambda each: type(each).__name__)
def test_a_value_of_another_type_is_told_with_its_name(settings):
    """Whatever the setting: nothing that was not checked reaches a run."""
    for name in settings.__struct_fields__:
        if getattr(settings, name) is None:
            continue
        for wrong in other_kinds(kept(settings)[name]):
            with pytest.raises(DataError, match=rf"^here: does not hold the settings of an? .*\b{name}\b"):
                type(settings).from_json(kept(settings, **{name: wrong}), "here")


@pytest.mark.parametrize("settings", EVERY, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    "damage",
    [
        {"seed": -1},
        {"seed": 10**400},
        {"learning_rate": float("nan")},
        {"precision": "float99"},
        {"seed": 1.5},
    ],
)
def test_a_value_out_of_range_is_told_as_damage(settings, damage):
    with pytest.raises(
        DataError, match=r"^here: does not hold the settings of an? (training run|inversion): "
    ):
        type(settings).from_json(kept(settings, **damage), "here")


@pytest.mark.parametrize("settings", EVERY, ids=lambda each: type(each).__name__)
def test_what_is_missing_or_too_much_is_named(settings):
    with pytest.raises(DataError, match=r"here: holds colour, which no (training run|inversion) has"):
        type(settings).from_json(kept(settings, colour="red"), "here")
    less = kept(settings)
    del less["output"]
    with pytest.raises(DataError, match="output"):
        type(settings).from_json(less, "here")
