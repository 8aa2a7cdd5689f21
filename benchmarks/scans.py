"""Grey scans for the benchmarks: synthetic signatures of 0.1 to 1 megapixel, as PNG, JPEG and TIFF files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sigzoo.synthesis import DatasetSpec, Writer, conditions, generate
from sigzoo.synthesis.generation import Sample
from sigzoo.synthesis.rendering import Pen, Scan

SMALLEST, LARGEST = 1e5, 1e6
_PER_WRITER = 4
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".jpg": {"quality": 90},
    ".tif": {"compression": "tiff_lzw"},
}


def _at(dpi: float, rng: np.random.Generator) -> tuple[Pen, Scan]:
    pen, scan = conditions("scanner")(rng)
    return pen, replace(scan, dpi=dpi, jpeg=None, two_level=False)


def write_scans(folder: Path, count: int = 96, *, seed: int = 1) -> list[Path]:
    """Write `count` scans whose numbers of pixels are spread evenly, on a scale of logarithms.

    A scan's resolution is chosen so that it has as many pixels as its turn wants; the three formats take
    turns. The files' names say their order.
    """
    samples = _samples(count)
    wanted = np.random.default_rng(seed).permutation(np.geomspace(SMALLEST, LARGEST, count))
    paths = []
    for number, (sample, pixels) in enumerate(zip(samples, wanted, strict=True)):
        dpi = 150.0
        for _ in range(3):  # margins and what the grid of pixels rounds: two corrections are enough
            spec = DatasetSpec(sample.writer, _PER_WRITER, seed=seed, rendering=partial(_at, dpi))
            (drawn,) = generate(spec, samples=[sample])
            dpi *= float(np.sqrt(pixels / drawn.image.size))
        suffix, options = list(_FORMATS.items())[number % len(_FORMATS)]
        paths.append(folder / f"scan_{number:03}{suffix}")
        Image.fromarray(drawn.image).save(paths[-1], **options)
    return paths


def _samples(count: int) -> list[Sample]:
    def endless() -> Iterator[Sample]:
        for number in range(count):
            yield Sample(number // _PER_WRITER + 1, "genuine", number % _PER_WRITER + 1)

    return list(endless())


def small_scans(count: int) -> list[bytes]:
    """PNGs of signatures at half size, as a service or a large job is given them, each of another writer."""
    found = []
    for writer in range(count):
        file = io.BytesIO()
        Image.fromarray(Writer(writer).genuine(0)).reduce(2).save(file, "PNG")
        found.append(file.getvalue())
    return found
