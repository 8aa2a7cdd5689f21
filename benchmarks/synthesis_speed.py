"""Synthetic signatures a second: drawn only, written as PNG files, and preprocessed as a training corpus.

python benchmarks/synthesis_speed.py [--writers N] [--workers 1 2 ...] [--corpus]

Wall-clock time, the start of the processes included; `sigzoo synth` is run as a command, its own start
included. Processor time is that of all processes together.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import sigzoo
from sigzoo.errors import ImageError
from sigzoo.synthesis import DatasetSpec, conditions, generate

GENUINE, FORGERIES = 3, 2


def draw(writers: int, dpi: int, workers: int) -> None:
    """Draw all images and keep none."""
    rendering = conditions("office", dpi=dpi)
    spec = DatasetSpec(writers, GENUINE, FORGERIES, seed=1, rendering=rendering)
    for _ in generate(spec, workers=workers):
        pass


def write(writers: int, dpi: int, workers: int) -> None:
    """Run the command into a new folder."""
    counts = ["--writers", writers, "--genuine", GENUINE, "--forgeries", FORGERIES, "--seed", 1]
    with tempfile.TemporaryDirectory() as folder:
        order = [*counts, "--dpi", dpi, "--workers", workers, "-o", folder]
        command = [sys.executable, "-m", "sigzoo", "synth", *map(str, order)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"  ({size / 1e3 / writers / (GENUINE + FORGERIES):.0f} kB a file)", end="")


def corpus(rendering: str, writers: int) -> None:
    """Draw and preprocess with `synsig`, in this process; print images a second and core."""
    spec = DatasetSpec(writers, GENUINE, FORGERIES, seed=1, rendering=conditions(rendering))
    prepare = sigzoo.preprocessor("synsig", statistics=True)
    spent = {"drawing": 0.0, "preprocessing": 0.0}
    start = time.process_time()
    for drawn in generate(spec):
        middle = time.process_time()
        with suppress(ImageError):  # a few are as good as blank
            prepare(drawn.image)
        end = time.process_time()
        spent["drawing"] += middle - start
        spent["preprocessing"] += end - middle
        start = end
    parts = ", ".join(f"{name} {1e3 * seconds / len(spec):.1f} ms" for name, seconds in spent.items())
    print(f"  {rendering:<13} {len(spec) / sum(spent.values()):6.1f} images/s and core; {parts} an image")


def measured(work: Callable[[int, int, int], None], writers: int, dpi: int, workers: int) -> float:
    """Print and return images a second."""
    images = writers * (GENUINE + FORGERIES)
    before, start = os.times(), time.perf_counter()
    work(writers, dpi, workers)
    seconds, after = time.perf_counter() - start, os.times()
    processor = sum(after[:4]) - sum(before[:4])
    print(
        f"  {workers} workers: {images / seconds:6.1f} images/s, {1e3 * processor / images:5.1f} ms processor"
    )
    return images / seconds


def main() -> None:
    """Measure every combination, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=80, help="of 5 images each")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--corpus", action="store_true", help="measure the training corpus only")
    options = parser.parse_args()
    images = options.writers * (GENUINE + FORGERIES)
    print(f"drawn and preprocessed with synsig, {images} images of each rendering")
    for rendering in ("varied", "office", "scanner", "photographed"):
        corpus(rendering, options.writers)
    if options.corpus:
        return
    for dpi in (300, 600):
        for name, work in (("generate", draw), ("sigzoo synth -o FOLDER", write)):
            print(f"{name}, {dpi} dpi, {options.writers * (GENUINE + FORGERIES)} images")
            speeds = [measured(work, options.writers, dpi, workers) for workers in options.workers]
            ratio = speeds[-1] / speeds[0]
            print(f"  {options.workers[-1]} workers are {ratio:.2f} times as fast as {options.workers[0]}")


if __name__ == "__main__":
    main()
