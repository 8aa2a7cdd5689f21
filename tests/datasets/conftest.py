"""Small images under the names of published data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write small images under some names, each of a grey of its own."""

    def written(names: Iterable[str], folder: str = "set") -> Path:
        place = tmp_path / folder
        for number, name in enumerate(names):
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((6, 8), 2 * number % 256, np.uint8)).save(path)
        return place

    return written


@pytest.fixture
def cedar() -> Path:
    """The folder of CEDAR's images, which whoever has them names by ``SIGZOO_TEST_CEDAR``."""
    place = os.environ.get("SIGZOO_TEST_CEDAR")
    if not place:
        pytest.skip("needs CEDAR: SIGZOO_TEST_CEDAR names its folder")
    return Path(place)
