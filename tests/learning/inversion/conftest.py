"""Small teachers with batch normalisation, and settings of inversions that take a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigzoo.learning import InversionSettings, TrainingSettings, train

SIZE = (24, 32)
STUDENT = {"input_size": SIZE, "widths": [8, 8, 8], "depths": [0, 0], "squeeze": 4, "feature_dim": 16}


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory, toy_site: Path, patterns: Any) -> list[Path]:
    """Three models of the same 4 writers: ``master``, ``pupil`` and ``any-size``; one without BatchNorm."""
    place = tmp_path_factory.mktemp("networks")
    x, y, yforg = patterns(genuine=20, size=SIZE)
    np.savez(place / "data.npz", x=x, y=y, yforg=yforg)
    kinds = {
        "master": ("student-tiny", STUDENT, "toy-cut", {"size": SIZE}, 0),
        "pupil": ("student-tiny", STUDENT, "toy-cut", {"size": SIZE}, 1),
        "any-size": ("toy-normal", {}, "toy-invert", {}, 0),
        "plain": ("toy", {"input_size": SIZE}, "toy-cut", {"size": SIZE}, 0),
    }
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(toy_site))
        for name, (backbone, options, preprocessor, preparing, seed) in kinds.items():
            settings = TrainingSettings(
                backbone=backbone,
                backbone_options=options,
                loss="signet",
                preprocessor=preprocessor,
                preprocessor_options=preparing,
                preprocessed=True,
                data=str(place / "data.npz"),
                output=place / name,
                epochs=12 if backbone == "student-tiny" else 1,
                batch_size=12,
                learning_rate=0.02,
                augment=(),
                seed=seed,
                device="cpu",
                weights_licence="for tests only",
            )
            found.append(train(settings).registry)
    return found


@pytest.fixture(autouse=True)
def _networks(registries: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry find the networks."""
    monkeypatch.setenv("SIGZOO_REGISTRY", os.pathsep.join(map(str, registries)))


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., InversionSettings]:
    """Settings of an inversion in two batches of 6; anything can be said otherwise."""

    def made(**otherwise: Any) -> InversionSettings:
        values: dict[str, Any] = {
            "teacher": "master",
            "output": tmp_path / "data.npz",
            "per_writer": 3,
            "batch_size": 6,
            "iterations": 40,
            "jitter": 1,
            "device": "cpu",
        }
        return InversionSettings(**{**values, **otherwise})

    return made
