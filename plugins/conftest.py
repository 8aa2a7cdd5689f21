"""What the plugins' tests share: generated signatures, networks with random weights, real data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn

ROOT = Path(__file__).parents[1]

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Specimen:
    """A generated image, and the canvas to put it on."""

    kind: str
    number: int
    image: Grey
    canvas: tuple[int, int]

    def __str__(self) -> str:
        height, width = self.image.shape
        return f"{self.kind} {self.number} ({height} x {width} on {self.canvas})"


@pytest.fixture(scope="session")
def golden() -> Path:
    """The published example and what the published programs made of it; not part of a clone."""
    folder = Path(os.environ.get("SIGZOO_TEST_DATA", ROOT.parent / "shared" / "data")) / "golden"
    if not folder.is_dir():
        pytest.skip("needs the published example: SIGZOO_TEST_DATA names the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def lasagne_folder() -> Path:
    """Weight files as Python 2.7's cPickle wrote them, and the published program's features."""
    return ROOT / "tests" / "weights" / "lasagne"


@pytest.fixture(scope="session")
def python2_pickle() -> Callable[[Sequence[NDArray[np.float32]]], bytes]:
    """Write arrays as Python 2.7's cPickle wrote the published Lasagne files, latin-1 strings included."""
    file = ROOT / "tests" / "weights" / "python2_pickle.py"
    spec = spec_from_file_location("python2_pickle", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def write(params: Sequence[NDArray[np.float32]]) -> bytes:
        written = module.Python2Pickle().write(params, {"input_size": (150, 220), "img_size": (170, 242)})
        assert isinstance(written, bytes)
        return written

    return write


@pytest.fixture(scope="session")
def specimens() -> Callable[[int], Iterator[Specimen]]:
    """Generate any number of images, of all the kinds in turn; the same number, the same images."""
    return _specimens


@pytest.fixture(scope="session")
def randomised() -> Callable[[nn.Module, int], nn.Module]:
    """Give a network random weights and random batch statistics, in eval mode."""

    def fill(network: nn.Module, seed: int) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if name.endswith("running_var"):
                    value.uniform_(0.3, 3.0, generator=generator)
                elif name.endswith("bn.weight"):
                    value.uniform_(0.5, 1.5, generator=generator)
                elif name.endswith(("bn.bias", "running_mean")):
                    value.normal_(0.0, 0.3, generator=generator)
                elif value.is_floating_point():
                    fan_in = value[0].numel()
                    value.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
        return network.eval()

    return fill


def _specimens(count: int) -> Iterator[Specimen]:
    kinds = list(_KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rng = np.random.default_rng(number)
        image = _KINDS[kind](rng)
        canvas = _CANVASES[int(rng.integers(len(_CANVASES)))]
        if "larger" in kind:
            height, width = (max(1, int(side * rng.uniform(0.4, 0.8))) for side in image.shape)
            canvas = (height, width)
            if kind != "larger in both axes":
                axis = ["larger in height", "larger in width"].index(kind)
                canvas = (canvas[0], 2 * image.shape[1]) if axis == 0 else (2 * image.shape[0], canvas[1])
        yield Specimen(kind, number, image, canvas)


_CANVASES = [
    (952, 1360),
    (952, 1360),
    (600, 850),
    (730, 1042),
    (700, 1000),
    (300, 500),
    (170, 242),
    (90, 300),
]


def _strokes(
    rng: np.random.Generator, height: int, width: int, *, margin: float = 0.1, pen: int | None = None
) -> Grey:
    """Ink on white: a few smooth curves, antialiased, 0 ink and 255 paper."""
    page = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(1, 5))):
        steps = np.cumsum(np.cumsum(rng.normal(size=(80, 2)), axis=0), axis=0)
        span = np.ptp(steps, axis=0) + 1e-9
        low, room = np.array([width, height]) * margin, np.array([width, height]) * (1 - 2 * margin)
        points = low + (steps - steps.min(axis=0)) / span * room
        thickness = pen or int(rng.integers(1, max(2, min(height, width) // 25)))
        draw.line(
            [tuple(point) for point in points], fill=int(rng.integers(0, 120)), width=thickness, joint="curve"
        )
    return np.asarray(page, dtype=np.uint8)


def _scanned(rng: np.random.Generator, clean: Grey, *, paper: int = 235, noise: float = 4.0) -> Grey:
    """As a scanner sees it: grey paper, noise."""
    grey = clean.astype(float) * (paper / 255) + rng.normal(0, noise, clean.shape)
    return grey.clip(0, 255).astype(np.uint8)


def _sides(rng: np.random.Generator, low: int = 40, high: int = 500) -> tuple[int, int]:
    height = int(rng.integers(low, high))
    return height, int(height * rng.uniform(1.0, 2.5))


def _framed(rng: np.random.Generator) -> Grey:
    image = _scanned(rng, _strokes(rng, *_sides(rng, 60)))
    border = int(rng.integers(1, 12))
    framed = np.full_like(image, int(rng.choice([0, 90, 255])))
    framed[border:-border, border:-border] = image[border:-border, border:-border]
    return framed


def _specks(rng: np.random.Generator) -> Grey:
    image = _scanned(rng, np.full(_sides(rng, 20, 200), 255, np.uint8))
    for _ in range(int(rng.integers(1, 4))):
        image[int(rng.integers(image.shape[0])), int(rng.integers(image.shape[1]))] = int(rng.integers(0, 60))
    return image


def _line(rng: np.random.Generator) -> Grey:
    line = rng.integers(180, 256, int(rng.integers(5, 400)), dtype=np.uint8)
    start = int(rng.integers(len(line)))
    line[start : start + int(rng.integers(1, 40))] = rng.integers(0, 80)
    return line[None, :] if rng.random() < 0.5 else line[:, None]


def _solid(rng: np.random.Generator) -> Grey:
    image = np.full(_sides(rng, 60), 255, np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        top, left = int(rng.integers(image.shape[0] - 30)), int(rng.integers(image.shape[1] - 30))
        level = int(rng.integers(0, 160))
        image[top : top + int(rng.integers(5, 200)), left : left + int(rng.integers(5, 200))] = level
    return image


def _ramp(rng: np.random.Generator) -> Grey:
    height, width = _sides(rng)
    ramp = np.add.outer(
        np.arange(height) * rng.choice([0, 0.1, 1]), np.arange(width) * rng.choice([0.05, 0.5, 1])
    )
    page: NDArray[np.uint8] = np.minimum(_strokes(rng, height, width), (150 + ramp % 100).astype(np.uint8))
    return page


def _posterised(rng: np.random.Generator) -> Grey:
    step = int(rng.choice([32, 64, 85]))
    image = _scanned(rng, _strokes(rng, *_sides(rng)), noise=20.0)
    return (image // step * step).astype(np.uint8)


_KINDS: dict[str, Callable[[np.random.Generator], Grey]] = {
    "scanned": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng))),
    "scanned at 600 dpi": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng, 400, 600))),
    "on white paper": lambda rng: _strokes(rng, *_sides(rng)),
    "touching the borders": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng), margin=-0.05)),
    "larger in height": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng, 100))),
    "larger in width": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng, 100))),
    "larger in both axes": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng, 100))),
    "one-pixel ink": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng), pen=1)),
    "specks": _specks,
    "heavy noise": lambda rng: _scanned(rng, _strokes(rng, *_sides(rng)), noise=60.0),
    "inverted": lambda rng: (255 - _scanned(rng, _strokes(rng, *_sides(rng)))).astype(np.uint8),
    "one line": _line,
    "framed": _framed,
    "solid": _solid,
    "ramp": _ramp,
    "posterised": _posterised,
    "tiny": lambda rng: rng.integers(0, 256, rng.integers(1, 20, 2), dtype=np.uint8),
    "faint": lambda rng: _scanned(rng, 255 - (255 - _strokes(rng, *_sides(rng))) // 12, noise=1.0),
}
