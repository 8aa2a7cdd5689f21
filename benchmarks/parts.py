"""Parts of `benchmarks/run.py`, each run in a process of its own: forward, features, start, memory."""

from __future__ import annotations

import resource
import subprocess
import sys
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

__all__ = ["features", "forward", "memory", "start"]

Row = dict[str, Any]

PUBLISHED = "signet.pytorch"
"""The model of the published program: here with weights from a seed."""


def _models(
    names: list[str], runtimes: list[str], folder: Path
) -> Iterator[tuple[Row, sigzoo.SignatureModel]]:
    """Each model in each runtime that is installed, in each precision that runs here."""
    zoo = sigzoo.Zoo()
    seeded = seeded_weights(folder)
    for name in names:
        for runtime in runtimes:
            for precision in ("float32", "bfloat16", "int8"):
                try:
                    model = zoo.load(
                        name,
                        device="cpu",
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
    names: list[str], runtimes: list[str], folder: Path, gflops: float, peer: Path | None, rounds: int
) -> list[Row]:
    """Milliseconds of one core for each image of a batch of 32; and what multiplying alone would take."""
    torch.set_num_threads(1)
    found: list[tuple[Row, Callable[[], object], list[float]]] = []
    for row, model in _models(names, runtimes, folder):
        size = model.preprocessor.output_size
        if size is None:
            continue
        images = np.random.default_rng(0).integers(0, 256, (BATCH, 1, *size), np.uint8)
        found.append((row | _work(model, gflops), _submitting(model, images), []))
    if peer is not None:
        program = PublishedProgram(peer, seeded_weights(folder))
        batch = np.random.default_rng(0).integers(0, 256, (BATCH, 150, 220), np.uint8)
        row = {"model": PUBLISHED, "runtime": "published program", "precision": "float32"}
        found.append((row, lambda: program.forward(batch), []))
    for turn in range(rounds + 1):
        for _, work, times in found:
            start = _processor_seconds()
            work()
            if turn:  # the first makes things ready
                times.append(1e3 * (_processor_seconds() - start) / BATCH)
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
    peer: Path | None,
    rounds: int,
) -> list[Row]:
    """Files to features, all in turn within a round: images a second, time of cores, and the ratio.

    The time that passes is what counts on a quiet machine; the time of cores is what counts where others
    work beside. The ratio is that of the times that passed, the median of the rounds.
    """
    warnings.simplefilter("ignore")
    found: list[tuple[Row, Callable[[], NDArray[np.float32]], list[tuple[float, float]]]] = []
    reference: NDArray[np.float32] | None = None
    if peer is not None:
        program = PublishedProgram(peer, seeded_weights(folder))
        reference = program.embed(paths)
        row: Row = {"model": PUBLISHED, "runtime": "published program", "precision": "float32"}
        found.append((row, lambda: program.embed(paths), []))
    for row, model in _models(names, runtimes, folder):
        made = model.embed(paths)
        if reference is not None and row["model"] == PUBLISHED:
            row |= _compared(made, reference)
        found.append((row, _embedding(model, paths), []))
    for _ in range(rounds):
        for _, work, times in found:
            used, start = _processor_seconds(), time.perf_counter()
            work()
            times.append((time.perf_counter() - start, _processor_seconds() - used))
    rows = []
    for row, _, times in found:
        passed, used_all = ([pair[kind] for pair in times] for kind in (0, 1))
        row |= {
            "images_per_s": median([len(paths) / each for each in passed]),
            "cores_ms": median([1e3 * each / len(paths) for each in used_all]),
        }
        if peer is not None:
            theirs = found[0][2]
            row["times"] = median([a[0] / b for a, b in zip(theirs, passed, strict=True)])
            row["times_cores"] = median([a[1] / b for a, b in zip(theirs, used_all, strict=True)])
        rows.append(row)
    return rows


def _compared(made: NDArray[np.float32], reference: NDArray[np.float32]) -> Row:
    cosine = (made * reference).sum(1) / np.linalg.norm(made, axis=1) / np.linalg.norm(reference, axis=1)
    return {
        "difference": float(f"{np.abs(made - reference).max():.1e}"),
        "cosine": round(float(cosine.min()), 6),
    }


def _embedding(model: sigzoo.SignatureModel, paths: list[Path]) -> Callable[[], NDArray[np.float32]]:
    return lambda: model.embed(paths)


def start(names: list[str], runtimes: list[str], folder: Path, paths: list[Path], rounds: int) -> list[Row]:
    """Seconds of `sigzoo embed` for one image, the whole command; and whether it imported torch."""
    rows = []
    for row, _ in _models([name for name in names if name != PUBLISHED], runtimes, folder):
        if row["precision"] != "float32":
            continue
        command = [
            *("-m", "sigzoo", "embed", str(paths[0]), "-m", row["model"], "--runtime", row["runtime"]),
            *("--device", "cpu", "--force", "-o", str(folder / "one.npz")),
        ]
        times, used = [], []
        for _ in range(rounds):
            before, begun = _processor_seconds(), time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            times.append(time.perf_counter() - begun)
            used.append(_processor_seconds() - before)
        listed = subprocess.run(
            [sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True
        ).stderr
        torch_too = any(line.split("|")[-1].strip() == "torch" for line in listed.splitlines())
        rows.append(row | {"seconds": median(times), "cores_s": median(used), "imports_torch": torch_too})
    return rows


def memory(name: str, folder: Path, paths: list[Path]) -> list[Row]:
    """Most memory of a process that embeds all files with one model and starts no other."""
    weights = str(seeded_weights(folder)) if name == PUBLISHED else None
    code = (
        "import resource, sys, warnings; warnings.simplefilter('ignore'); import sigzoo;"
        "model = sigzoo.load(sys.argv[1], device='cpu', weights=sys.argv[2] or None);"
        "model.embed(sys.argv[3:], workers=1);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    arguments = [name, weights or "", *map(str, paths)]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [{"model": name, "images": len(paths), "peak_mb": round(int(done.stdout) * 1024 / 1e6)}]
