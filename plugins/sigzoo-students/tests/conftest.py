"""Signatures for the tests of this plugin: synthetic ones, made by the core."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sigzoo.synthesis import Writer

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def signature() -> np.ndarray:
    """One clean synthetic signature."""
    return Writer(21, script="latin").genuine(1)
