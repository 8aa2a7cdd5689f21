"""What all tests share: a cache of their own, drawn signatures, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]

Draw = Callable[[int], NDArray[np.uint8]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with an empty cache."""
    monkeypatch.setenv("SIGZOO_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Evaluation data that may not be handed out, where there is any."""
    folder = Path(os.environ.get("SIGZOO_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs evaluation data: SIGZOO_TEST_DATA names its folder")
    return folder


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Draw the signature of a writer: the same number, the same image, uint8 (150, 320)."""

    def drawn(writer: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(writer)
        page = Image.new("L", (320, 150), 255)
        pen = ImageDraw.Draw(page)
        points = rng.uniform((30, 25), (290, 125), size=(14, 2))
        pen.line([tuple(point) for point in points], fill=int(rng.integers(0, 90)), width=4, joint="curve")
        return np.asarray(page, dtype=np.uint8)

    return drawn


@pytest.fixture
def signatures(tmp_path: Path, draw: Draw) -> list[Path]:
    """Four image files of drawn signatures."""
    folder = tmp_path / "signatures"
    folder.mkdir()
    paths = [folder / f"s{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.fromarray(draw(number)).save(path)
    return paths
