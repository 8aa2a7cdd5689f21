"""The modules that make pages of the site, which stand in no package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

pytest.importorskip("mkdocs")
pytest.importorskip("nbformat")


@pytest.fixture(scope="session", autouse=True)
def _generators() -> Iterator[None]:
    """`import generators` in tests."""
    sys.path.insert(0, str(DOCS))
    yield
    sys.path.remove(str(DOCS))


@pytest.fixture(scope="session")
def docs() -> Path:
    """The folder of the pages."""
    return DOCS
