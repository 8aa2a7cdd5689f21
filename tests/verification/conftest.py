"""Drawn signatures of some writers, varied, and the bundled model that judges them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import sigzoo
from sigzoo.synthesis import Writer


@pytest.fixture(scope="session")
def model() -> sigzoo.SignatureModel:
    """The default model."""
    return sigzoo.load(device="cpu")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """The file of a synthetic writer's signature."""
    folder = tmp_path_factory.mktemp("written")

    def path(writer: int, number: int) -> Path:
        file = folder / f"w{writer}_{number}.png"
        if not file.exists():
            Image.fromarray(Writer(writer).genuine(number)).save(file)
        return file

    return path
