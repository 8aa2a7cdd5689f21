"""Settings are checked when they are made, and survive JSON."""

import json
from pathlib import Path

import pytest

from sigzoo.errors import DataError, UnknownNameError, UsageError
from sigzoo.learning import TrainingSettings

PARTS = {"backbone": "b", "loss": "l", "preprocessor": "p", "data": "d.npz", "output": Path("run")}


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"per_writer": 65},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"warmup": -1},
        {"clip_value": 0.0},
        {"clip_norm": -1.0},
        {"validation": 0.0},
        {"validation": 0.6},
        {"augment_strength": float("inf")},
        {"seed": -1},
        {"input_scale": 0.0},
        {"workers": 0},
    ],
    ids=str,
)
def test_a_value_out_of_range_is_named(wrong):
    (name,) = wrong
    with pytest.raises(UsageError, match=name):
        TrainingSettings(**{**PARTS, **wrong})


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("optimiser", "adam", "adamw"),
        ("schedule", "cosin", "cosine"),
        ("precision", "bfloat", "bfloat16"),
        ("augment", ("afine",), "affine"),
    ],
)
def test_a_word_that_is_unknown_brings_the_nearest(key, value, meant):
    with pytest.raises(UnknownNameError, match=f"Did you mean {meant}"):
        TrainingSettings(**{**PARTS, key: value})


def test_settings_are_the_same_after_json():
    made = TrainingSettings(
        **PARTS, backbone_options={"input_size": [12, 16]}, augment=("ink", "noise"), clip_norm=1.0
    )
    read = TrainingSettings.from_json(json.loads(json.dumps(made.to_json())), "settings.json")
    assert read == made
    assert read.differences(made) == []


def test_differences_name_what_changes_the_numbers_and_nothing_else():
    made = TrainingSettings(**PARTS, backbone_options={"size": (1, 2)})
    same = TrainingSettings(
        **{**PARTS, "output": Path("elsewhere")}, device="cpu", workers=2, backbone_options={"size": [1, 2]}
    )
    assert made.differences(same) == []
    other = TrainingSettings(**PARTS, backbone_options={"size": (1, 2)}, learning_rate=0.5, seed=3)
    assert made.differences(other) == ["learning_rate", "seed"]


@pytest.mark.parametrize(
    "values", [{"colour": "red"}, {"backbone": "b"}, {**PARTS, "epochs": "ten"}], ids=str
)
def test_json_of_something_else_is_refused(values):
    with pytest.raises(DataError, match=r"settings\.json"):
        TrainingSettings.from_json(values, "settings.json")
