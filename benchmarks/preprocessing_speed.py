"""Processor time of decoding, the look and every preprocessor, an image, on one core; medians.

python benchmarks/preprocessing_speed.py [IMAGES...] [--count N] [--rounds N] [--peer PATH] [--json FILE]

Without images: scans of 0.1 to 1 megapixel (see scans.py). With --peer, a checkout of luizgh/sigver, its
own preprocess_signature runs on the same images in the same rounds, and its result is compared with ours.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before numpy is imported

import numpy as np
import torch
from PIL import Image
from scans import write_scans

import sigzoo
from sigzoo.imaging import read_image
from sigzoo.imaging.plausibility import doubts

CANVAS = (952, 1360)
PREPROCESSORS: dict[str, dict[str, Any]] = {
    "sigver": {},
    "signet-2017": {},
    "spp-2018": {},
    "synsig": {"statistics": True},
}
"""Their options are those of the published and the bundled models."""

Work = Callable[[], Any]


def works(path: Path, peer: Callable[..., Any] | None) -> dict[str, Work]:
    """What is timed of one file, by name: each is ready to be called."""
    content, image = path.read_bytes(), read_image(path)
    found: dict[str, Work] = {
        "Pillow decodes": lambda: np.asarray(Image.open(io.BytesIO(content)).convert("L")),
        "read_image": lambda: read_image(path),
        "look": lambda: doubts(image),
    }
    for name, options in PREPROCESSORS.items():
        found[name] = _calling(sigzoo.preprocessor(name, **options), image)
    if peer is not None:
        published = peer
        if not (published(image, CANVAS) == found["sigver"]()).all():
            raise SystemExit(f"{path}: the published program computes something else than `sigver`.")
        found["published program"] = lambda: published(image, CANVAS)
    return found


def _calling(work: Callable[[Any], Any], image: Any) -> Work:
    return lambda: work(image)


def milliseconds(work: Work) -> float:
    """Processor time of one call, all threads of this process together."""
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def measured(paths: list[Path], rounds: int, peer: Callable[..., Any] | None) -> dict[str, list[float]]:
    """The median of the rounds for every image, by what was timed; all take turns within a round."""
    times: dict[str, list[float]] = {}
    for path in paths:
        each = works(path, peer)
        for work in each.values():
            work()  # what the first call makes ready counts for nothing
        table = [[milliseconds(work) for work in each.values()] for _ in range(rounds)]
        for name, column in zip(each, zip(*table, strict=True), strict=True):
            times.setdefault(name, []).append(statistics.median(column))
    return times


def published_program(folder: Path) -> Callable[..., Any]:
    """`preprocess_signature` of a checkout of luizgh/sigver."""
    sys.path.insert(0, str(folder))
    found: Callable[..., Any] = importlib.import_module("sigver.preprocessing.normalize").preprocess_signature
    return found


def main() -> None:
    """Measure everything on every image and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=96, help="of the scans that are made without images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=Path, help="a checkout of luizgh/sigver, which needs scikit-image")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    peer = published_program(options.peer) if options.peer else None
    with tempfile.TemporaryDirectory() as folder:
        paths = options.images or write_scans(Path(folder), options.count)
        times = measured(paths, options.rounds, peer)
    print(f"{len(paths)} images, ms of one core{'median':>14}{'mean':>8}{'slowest':>9}")
    for name, column in times.items():
        line = statistics.median(column), statistics.fmean(column), max(column)
        ratio = ""
        if "published program" in times and name in PREPROCESSORS:
            pairs = zip(times["published program"], column, strict=True)
            ratio = f"{statistics.median(a / b for a, b in pairs):9.1f} times the published program's speed"
        print(f"{name:<28}{line[0]:14.2f}{line[1]:8.2f}{line[2]:9.2f}{ratio}")
    if options.json:
        options.json.write_text(json.dumps({"images": len(paths), "milliseconds": times}, indent=1))


if __name__ == "__main__":
    main()
