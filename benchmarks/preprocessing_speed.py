"""Preprocessing against sigver's own steps (scikit-image), in one run: medians of paired ratios.

python benchmarks/preprocessing_speed.py [IMAGES...] [--rounds N] [--threads N]

Without images: synthetic signatures, enlarged to what a scan of 600 dpi has, and cleaned copies.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sigzoo_signet.preprocessing import SigNet2017, Sigver
from skimage import filters, transform

from sigzoo.synthesis import DatasetSpec, generate

Grey = NDArray[np.uint8]
CANVAS = (952, 1360)


def sigver_program(image: Grey) -> Grey:
    """What sigver computes, in the calls it makes, to 170 x 242 and its centre."""
    smoothed = filters.gaussian(image, 2, preserve_range=True)
    threshold = filters.threshold_otsu(image)
    rows, columns = np.where(smoothed <= threshold)
    crop = image[rows.min() : rows.max(), columns.min() : columns.max()]
    page = np.full(CANVAS, 255, np.uint8)
    means = int(rows.mean() - rows.min()), int(columns.mean() - columns.min())
    places = []
    for axis in range(2):
        if crop.shape[axis] > CANVAS[axis]:
            offset = (crop.shape[axis] - CANVAS[axis]) // 2
            crop = crop.take(range(offset, offset + CANVAS[axis]), axis=axis)
        places.append(max(0, min(CANVAS[axis] // 2 - means[axis], CANVAS[axis] - crop.shape[axis])))
    page[places[0] : places[0] + crop.shape[0], places[1] : places[1] + crop.shape[1]] = crop
    page[page > threshold] = 255
    resized = transform.resize(
        255 - page, (170, 243), mode="constant", anti_aliasing=True, preserve_range=True
    )
    return np.asarray(resized, dtype=np.uint8)[10:160, 11:231]


def examples(paths: list[Path]) -> Iterator[tuple[str, Grey]]:
    """Images of the files, or synthetic ones."""
    for path in paths:
        yield path.name, np.asarray(Image.open(path).convert("L"))
    if paths:
        return
    for number, drawn in enumerate(generate(DatasetSpec(3, 1, seed=1))):
        width = (800, 1000, 1250)[number]
        height = round(drawn.image.shape[0] * width / drawn.image.shape[1])
        scan = np.asarray(Image.fromarray(drawn.image).resize((width, height), Image.Resampling.BICUBIC))
        noise = np.random.default_rng(number).normal(0, 3, scan.shape)
        noisy = (scan * 0.9 + noise).clip(0, 255).astype(np.uint8)
        yield f"synthetic {number + 1}", noisy
        yield f"synthetic {number + 1}, white paper", np.where(noisy > 190, 255, noisy).astype(np.uint8)


def seconds(work: Callable[[Grey], Grey], image: Grey) -> float:
    """Time of one call."""
    start = time.perf_counter()
    work(image)
    return time.perf_counter() - start


def main() -> None:
    """Measure all three on every image, in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--threads", type=int, default=2, help="how many cores preprocessing may use (1 or 2)"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    works: list[Callable[[Grey], Grey]] = [sigver_program, SigNet2017(), Sigver()]
    ratios: list[list[float]] = [[], []]
    for name, image in examples(options.images):
        assert (works[0](image) == works[2](image)).all(), "the peer computes something else"
        times = [[seconds(work, image) for work in works] for _ in range(options.rounds)]
        peer, *ours = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
        paired = [statistics.median(row[0] / row[kind] for row in times) for kind in (1, 2)]
        for kind in range(2):
            ratios[kind].append(paired[kind])
        print(f"{name} ({image.shape[0]} x {image.shape[1]}): sigver's program {peer:.1f} ms; ", end="")
        print(f"signet-2017 {ours[0]:.2f} ms, {paired[0]:.1f} times; ", end="")
        print(f"sigver {ours[1]:.2f} ms, {paired[1]:.1f} times")
    old, new = (statistics.median(kind) for kind in ratios)
    print(f"median of {len(ratios[0])} images: signet-2017 {old:.1f} times, sigver {new:.1f} times as fast")


if __name__ == "__main__":
    main()
