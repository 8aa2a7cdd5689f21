"""What the tests of weights and data share: hostile files, and writers that are not the readers'."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

LASAGNE = Path(__file__).parent / "lasagne"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `hostile` runs once for each hostile file."""
    if "hostile" in metafunc.fixturenames:
        from hostile_weights import every_file

        metafunc.parametrize("hostile", list(every_file()), ids=str)


@pytest.fixture(scope="session")
def lasagne_bytes() -> Callable[[str], bytes]:
    """What Python 2.7's cPickle wrote for a network: ``"signet"`` or ``"signet_spp"``."""
    return lambda network: gzip.decompress((LASAGNE / f"{network}_sparse.pkl.gz").read_bytes())


@pytest.fixture(scope="session")
def python2_pickle() -> Callable[..., bytes]:
    """Write arrays as the published Lasagne files are written (all of one dtype)."""

    def write(params: Sequence[NDArray[Any]], entries: dict[str, tuple[int, int]] | None = None) -> bytes:
        from python2_pickle import Python2Pickle

        usual = {"input_size": (150, 220), "img_size": (170, 242)}
        return Python2Pickle().write(params, usual if entries is None else entries)

    return write


@pytest.fixture(scope="session")
def small_arrays() -> list[NDArray[np.float32]]:
    """Arrays of a convolution, a normalisation and a dense layer."""
    rng = np.random.default_rng(0)
    shapes = [(4, 1, 3, 3), (4,), (36, 8), (300,)]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
