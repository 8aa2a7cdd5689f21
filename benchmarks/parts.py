"""Parts of `benchmarks/run.py`, each run in a process of its own: forward passes, files to features."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import median
from numpy.typing import NDArray
from published import BATCH, PublishedProgram, seeded_weights
from torch.utils.flop_counter import FlopCounterMode

import sigzoo
from sigzoo.errors import SigzooError

__all__ = ["BUDGETED", "PUBLISHED", "features", "forward"]

Row = dict[str, Any]

PRECISIONS = ("float32", "bfloat16", "int8")

PUBLISHED = "signet.pytorch"
"""The model of the published program: here with weights from a seed."""

BUDGETED = ("synsig-tiny", PUBLISHED)
"""What the budgets are about."""


def _models(
    names: list[str], runtimes: list[str], folder: Path, device: str
) -> Iterator[tuple[Row, sigzoo.SignatureModel]]:
    """Each model in each runtime that is installed, in each precision that runs here."""
    zoo = sigzoo.Zoo()
    seeded = seeded_weights(folder)
    for name in names:
        for runtime in runtimes:
            for precision in PRECISIONS:
                try:
                    model = zoo.load(
                        name,
                        device=device,
                        runtime=runtime,
                        precision=precision,
                        weights=seeded if name == PUBLISHED else None,
                    )
                    model.embed(np.eye(300, dtype=np.uint8) * 255 ^ 255, check_images=False)
                except SigzooError:
                    continue  # not installed, or not here in this precision
                yield {"model": name, "runtime": runtime, "precision": precision}, model


def _processor_seconds() -> float:
    """Time of cores that this process and its ended children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def forward(
    names: list[str],
    runtimes: list[str],
    folder: Path,
    gflops: float,
    peer: Path | None,
    rounds: int,
    device: str,
) -> list[Row]:
    """Milliseconds of one core for each image of a batch of 32; and what multiplying alone would take.

    On a GPU it is the time that passes, and there is no floor.
    """
    torch.set_num_threads(1)
    clock = _processor_seconds if device == "cpu" else time.perf_counter
    found: list[tuple[Row, Callable[[], object], list[float]]] = []
    for row, model in _models(names, runtimes, folder, device):
        size = model.preprocessor.output_size
        if size is None:
            continue
        images = np.random.default_rng(0).integers(0, 256, (BATCH, 1, *size), np.uint8)
        found.append(
            (row | (_work(model, gflops) if device == "cpu" else {}), _submitting(model, images), [])
        )
    if peer is not None:
        program = PublishedProgram(peer, seeded_weights(folder))
        batch = np.random.default_rng(0).integers(0, 256, (BATCH, 150, 220), np.uint8)
        row = {"model": PUBLISHED, "runtime": "published program", "precision": "float32"}
        found.append((row, lambda: program.forward(batch), []))
    for turn in range(rounds + 1):
        for _, work, times in found:
            start = clock()
            work()
            if turn:  # the first makes things ready
                times.append(1e3 * (clock() - start) / BATCH)
    return [row | {"ms": median(times), "fastest_ms": min(times)} for row, _, times in found]


def _submitting(model: sigzoo.SignatureModel, images: NDArray[np.uint8]) -> Callable[[], object]:
    layer, scale = model.card.features.layer, model.card.input_scale

    def work() -> object:
        with model._runtime.on_one_core():
            return model._runtime.submit(images, [layer], scale=scale)()

    return work


def _work(model: sigzoo.SignatureModel, gflops: float) -> Row:
    """Multiplications and additions of an image, and their time at the measured peak of float32."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.backbone(torch.zeros(1, 1, *(model.preprocessor.output_size or (0, 0))))
    million = counter.get_total_flops() / 1e6
    return {"mflops": round(million, 1), "floor_ms": round(million / gflops / 1e3 * 1e3, 3)}


def features(
    names: list[str],
    runtimes: list[str],
    folder: Path,
    paths: list[Path],
    some: list[Path],
    peer: Path | None,
    rounds: int,
    device: str,
) -> list[Row]:
    """Files to features, all in turn within a round: images a second, time of cores, and the ratio.

    The time that passes is what counts on a quiet machine; the time of cores is what counts where others
    work beside. The ratio is that of the times an image that passed, the median of the rounds. The published
    program, whose every image costs the same, takes as many files as there are scans; models that no budget
    is about take `some` of the files.
    """
    warnings.simplefilter("ignore")
    found: list[tuple[Row, Callable[[list[Path]], NDArray[np.float32]], list[Path], list[_Times]]] = []
    scans = list(dict.fromkeys(paths))
    reference: NDArray[np.float32] | None = None
    if peer is not None:
        program = PublishedProgram(peer, seeded_weights(folder))
        reference = program.embed(scans)
        row: Row = {"model": PUBLISHED, "runtime": "published program", "precision": "float32"}
        found.append((row, program.embed, scans, []))
    exact: dict[str, NDArray[np.float32]] = {}
    for row, model in _models(names, runtimes, folder, device):
        made = model.embed(scans)  # also makes things ready
        row |= _compared(made, exact.setdefault(row["model"], made), "torch")
        if reference is not None and row["model"] == PUBLISHED:
            row |= _compared(made, reference, "published")
        found.append((row, model.embed, paths if row["model"] in BUDGETED else some, []))
    for _ in range(rounds):
        for _, work, files, times in found:
            used, start = _processor_seconds(), time.perf_counter()
            work(files)
            passed = time.perf_counter() - start
            times.append((passed / len(files), (_processor_seconds() - used) / len(files)))
    rows = []
    for row, _, _, times in found:
        row |= {
            "images_per_s": median([1 / passed for passed, _ in times]),
            "cores_ms": median([1e3 * used for _, used in times]),
            "seconds_an_image": [passed for passed, _ in times],
        }
        if peer is not None:
            theirs = found[0][3]
            row["times"] = median([a[0] / b[0] for a, b in zip(theirs, times, strict=True)])
            row["times_cores"] = median([a[1] / b[1] for a, b in zip(theirs, times, strict=True)])
        rows.append(row)
    return rows


_Times = tuple[float, float]
"""Seconds an image: that passed, and of cores."""


def _compared(made: NDArray[np.float32], reference: NDArray[np.float32], name: str) -> Row:
    """How far features are from others: the largest difference, and the least cosine similarity."""
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(reference, axis=1)
    return {
        f"difference_{name}": float(f"{np.abs(made - reference).max():.1e}"),
        f"cosine_{name}": round(float(((made * reference).sum(1) / lengths).min()), 6),
    }
