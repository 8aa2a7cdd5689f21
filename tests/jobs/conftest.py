"""Running the command line, and a folder of small drawn signatures, for tests of long work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Ran, run

__all__ = ["Ran", "run"]


Draw = Callable[[int], object]


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory, draw: Draw) -> list[Path]:
    """Twenty-three image files."""
    folder = tmp_path_factory.mktemp("scans")
    paths = [folder / f"s{number:02d}.png" for number in range(23)]
    for number, path in enumerate(paths):
        Image.fromarray(draw(number)).save(path)
    return paths
