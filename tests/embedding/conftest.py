"""Signature files, a preprocessor that workers can import, and a pool that begins with the first image."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

import sigzoo
import sigzoo.embedding.pool
from sigzoo.common.worker_pool import WorkerPool
from sigzoo.synthesis import Writer

PLUGIN = '''\
"""A preprocessor that tells where it works, and does what the first pixel of an image says."""

import os, sys, time, warnings
from pathlib import Path
import numpy as np
from sigzoo.interfaces import ImageError, Preprocessor, warn

class Telling(Preprocessor):
    output_size = (99, 192)

    def __init__(self, folder):
        self.folder = str(folder)

    def stages(self, image):
        return {"all": self(image)}

    def __call__(self, image):
        torch = "torch" in sys.modules
        (Path(self.folder) / f"{os.getpid()} {'torch' if torch else 'none'}").touch()
        order = int(image[0, 0])
        if order == 1:
            os._exit(3)
        if order == 2:
            raise ValueError("a fault of the plugin")
        if order == 3:
            raise ImageError("no ink here.")
        if order == 4:
            warn("looks odd")
            warnings.warn("plain", DeprecationWarning)
        if order == 5:
            time.sleep(600)
        return np.resize(image, self.output_size)
'''


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty signatures, of which the 8th is no image and the 20th blank."""
    folder = tmp_path_factory.mktemp("signatures")
    paths = []
    for number in range(40):
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(Writer(number % 7).genuine(number)).save(paths[-1])
    paths[8].write_bytes(b"no image")
    Image.new("L", (300, 200), 255).save(paths[20])
    return paths


@pytest.fixture(scope="module")
def model() -> sigzoo.SignatureModel:
    """The default model."""
    return sigzoo.load(device="cpu")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[WorkerPool]:
    """Processes from the second image on; the pools that were made."""
    made: list[WorkerPool] = []

    class Waiting(WorkerPool):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)
            deadline = time.monotonic() + 60
            while not self.ready and any(each.is_alive() for each in self._threads):
                assert time.monotonic() < deadline
                time.sleep(0.01)

    monkeypatch.setattr(sigzoo.embedding.pool, "WorkerPool", Waiting)
    monkeypatch.setattr(sigzoo.embedding.pool, "_START_SECONDS", 0.0)
    return made


@pytest.fixture
def telling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., sigzoo.SignatureModel]]:
    """Makes the default model with a preprocessor that tells where it works, into `tmp_path / "told"`."""
    (tmp_path / "told").mkdir()
    (tmp_path / "telling_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    from telling_plugin import Telling  # type: ignore[import-not-found]

    def make() -> sigzoo.SignatureModel:
        made = sigzoo.load(device="cpu")
        made.preprocessor = Telling(tmp_path / "told")
        return made

    yield make
    sys.modules.pop("telling_plugin", None)


@pytest.fixture
def order(tmp_path: Path) -> Callable[[int, str], Path]:
    """Makes an image whose first pixel is an order to the telling preprocessor."""

    def make(first: int, name: str) -> Path:
        image = Image.new("L", (192, 99), 200)
        up_and_down = [(x, 30 + 40 * (x // 10 % 2)) for x in range(30, 161, 10)]
        ImageDraw.Draw(image).line(up_and_down, fill=20, width=3)  # so that it looks like a signature
        image.putpixel((0, 0), first)
        image.save(tmp_path / name)
        return tmp_path / name

    return make
