"""Published recipes: settings by name, which a caller's own override."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sigzoo.errors import UnknownNameError

__all__ = ["PRESETS", "preset"]

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Hafemann, Sabourin, Oliveira, Pattern Recognition 70, 2017, as its successor sigver trains.
        "signet-2017": {
            "optimiser": "sgd",
            "learning_rate": 1e-3,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "weight_decay_on": "all",
            "batch_size": 32,
            "epochs": 60,
            "schedule": "steps",
            "lr_steps": 3,
            "clip_value": 10.0,
            "precision": "float32",
            "augment": (),
            "training_options": {"size": [170, 242]},
            "validation": 0.1,
            "select_by": "auto",
        },
    }
)
"""Settings of published trainings, by name."""


def preset(name: str) -> dict[str, Any]:
    """The settings of a preset.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return dict(PRESETS[name])
