"""What every test of the repository runs in: a cache of its own, and no settings of whoever runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each take all cores wait for one another: a small training took fifty times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of tests that run a published program beside ours."""
    parser.addoption(
        "--peer",
        action="append",
        default=[],
        metavar="PATH",
        help="checkout of a published program to compare with",
    )


@pytest.fixture(scope="session", autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the cache, the plugins or the registry of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SIGZOO_") and "TEST" not in name]:
            patch.delenv(name)
        patch.setenv("SIGZOO_HOME", str(tmp_path_factory.mktemp("home")))
        yield
