"""A service on drawn signatures, asked without a network, and one in a process of its own."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

import sigzoo
from sigzoo.serving import Service, ServingLimits, create_app


def png(image: NDArray[np.uint8]) -> bytes:
    """An image as the content of a PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def files(field: str, *contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    """The parts of a request: ``0.png``, ``1.png``, ..."""
    return [(field, (f"{number}.png", content)) for number, content in enumerate(contents)]


@pytest.fixture(scope="session")
def model() -> sigzoo.SignatureModel:
    """The bundled default."""
    return sigzoo.load()


@pytest.fixture
def client(model: sigzoo.SignatureModel) -> Iterator[Callable[..., TestClient]]:
    """Make a client of a service with some limits, and keywords of `Service`."""
    clients: list[TestClient] = []

    def make(limits: ServingLimits | None = None, **options: Any) -> TestClient:
        made = TestClient(create_app(Service(model, limits, **options)), raise_server_exceptions=False)
        clients.append(made)
        return made.__enter__()

    yield make
    for each in clients:
        each.__exit__(None, None, None)


@contextmanager
def served(*arguments: object) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """Run `sigzoo serve` at a free port; gives a client of it, and its process."""
    command = [sys.executable, "-m", "sigzoo", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (process.stderr.read() if process.stderr else "")
        with httpx.Client(base_url=found.group(), timeout=120) as client:
            yield client, process
    finally:
        process.terminate()
        process.communicate(timeout=120)


@pytest.fixture
def pngs(signatures: list[Path]) -> list[bytes]:
    """The contents of four drawn signatures."""
    return [path.read_bytes() for path in signatures]
