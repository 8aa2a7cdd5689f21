"""Features of clusters, as files that `sigzoo embed` would write, for tests of the index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

import sigzoo
from sigzoo.data.feature_files import open_writer
from tests.cli.conftest import Ran, run

__all__ = ["Ran", "run"]

Write = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Threads of OpenMP wait for one another by turning in circles: on busy cores that takes minutes."""
    faiss.omp_set_num_threads(1)


@pytest.fixture(scope="session")
def clusters() -> np.ndarray:
    """3,000 vectors in 60 clusters, float32 ``(3000, 24)``; the last ten are copies of the first ten."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(60, 24))
    rows = centres[rng.integers(0, 60, 3000)] + 0.4 * rng.normal(size=(3000, 24))
    rows[-10:] = rows[:10]
    return rows.astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write features into a file, with what they depend on."""

    def written(name: str, rows: np.ndarray, first: int = 0, **changed: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        provenance = {**sigzoo.load().provenance(), **changed}
        with open_writer(path, provenance, {"writer": None}) as writer:
            for number, row in enumerate(rows, first):
                writer.add(f"image-{number:04d}.png", row, {"writer": f"w{number % 7}"})
        return path

    return written
