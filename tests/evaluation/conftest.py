"""What the tests of evaluation share: a folder of drawn signatures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drawn_signatures import draw_folder


@pytest.fixture(scope="session")
def signatures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve writers, six genuine signatures and two forgeries each."""
    return draw_folder(tmp_path_factory.mktemp("signatures") / "set", 12, 6, 2)
