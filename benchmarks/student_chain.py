"""Builds a student of SigNet at the published size: time and memory of every stage, and a resumed build.

    python benchmarks/student_chain.py FOLDER [--model NAME] [--epochs N] [--device cuda] [--kill EPOCH]

FOLDER (10 GB free) gets a teacher and data in the formats and sizes of the published ones, which
cannot be had by everybody: SigNet with seeded weights as a tuple of state dicts, its writer head of
531 outputs one that knows the data; and 12,744 images of 531 writers, float32 150 x 220, in an
``.npz`` of 1.68 GB. Both are served on loopback, and `sigzoo build NAME` runs in a process of its
own with nothing else changed: it fetches, verifies, distils, compares and stores.

With ``--kill 1`` a second build is killed (SIGKILL) half an epoch after its epoch 1, started again,
and its weights must be those of the first, to the last bit. ``--images`` and ``--epochs`` make
smaller ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import yaml

import sigzoo
from sigzoo.data import SignatureData
from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.registry import core_registry_path

WRITERS, FIRST, SIZE = 531, 350, (150, 220)
PUBLISHED_IMAGES = 12_744
TEACHER, DATA = "signet-teacher", "inverted-signet"
STAGES = "stages.jsonl"
"""Where a build writes what each stage took."""


# What is published


def make_data(path: Path, images: int) -> None:
    """Write images in the layout of continual_sigver's data.npz: a pattern a writer, moved and faded."""
    rng = np.random.default_rng(8)
    coarse = (rng.random((WRITERS, 10, 11)) > 0.75).astype(np.float32)
    y = np.sort(np.arange(images) % WRITERS)
    with ArrayWriter(path) as out:
        with out.open("x", "<f4", (images, 1, *SIZE)) as member:
            for writer in y:
                own = coarse[writer].repeat(15, axis=0).repeat(20, axis=1)
                own = np.roll(own, rng.integers(-4, 5, 2), axis=(0, 1)) * rng.uniform(0.7, 1.0)
                noisy = own + 0.05 * rng.random(SIZE, dtype=np.float32)
                member.write(np.clip(noisy, 0, 1).astype(np.float32).tobytes())
        out.add("y", (y + FIRST).astype(np.int64))
        out.add("yforg", np.zeros(images, np.int64))


def make_teacher(path: Path, data: Path) -> None:
    """Write SigNet as sigver saves it; its head names the writer with the nearest mean of four images."""
    torch.manual_seed(3)
    network = sigzoo.backbone("signet")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0  # one pass sets the statistics
    with SignatureData(data) as file, torch.no_grad():
        each = min(4, int(np.bincount(file.y - FIRST).min()))
        firsts = np.searchsorted(file.y, np.arange(FIRST, FIRST + WRITERS))
        chosen = (firsts[:, None] + np.arange(each)).ravel()
        network.train()(torch.from_numpy(file.images(chosen[:: each * 4])))
        network.eval()
        features = torch.cat(
            [network(torch.from_numpy(file.images(part))) for part in np.array_split(chosen, 24)]
        )
    means = features.reshape(WRITERS, each, -1).mean(dim=1)
    spread = (means - means.mean(dim=0)).square().sum(dim=1).mean()
    head = {"weight": 20.0 * means / spread, "bias": -10.0 * means.square().sum(dim=1) / spread}
    torch.save((network.state_dict(), head, {}), path)


def publish(folder: Path, images: int) -> None:
    """Make both files, once."""
    (folder / "site").mkdir(parents=True, exist_ok=True)
    data, teacher = folder / "site" / "data.npz", folder / "site" / "signet.pth"
    makers = {data: partial(make_data, images=images), teacher: partial(make_teacher, data=data)}
    for path, make in makers.items():
        if not path.exists():
            part = path.with_suffix(".part")
            make(part)
            part.rename(path)


@contextmanager
def served(folder: Path) -> Iterator[Path]:
    """The core's registry, its two files those of a server on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    content = yaml.safe_load(core_registry_path().read_text())
    for artifact, name in ((TEACHER, "signet.pth"), (DATA, "data.npz")):
        with (folder / "site" / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        content["artifacts"][artifact] |= {
            "urls": [f"http://127.0.0.1:{server.server_address[1]}/{name}"],
            "sha256": digest,
            "size": (folder / "site" / name).stat().st_size,
        }
    registry = folder / "core.yaml"
    registry.write_text(yaml.safe_dump(content))
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()


# One build, in a process of its own


def watch(log: Path) -> None:
    """Have every stage of a build write its time and the process's peak of memory to a file."""
    from sigzoo.learning.data.on_disk import StoredData
    from sigzoo.learning.distillation.teacher import TeacherEnricher
    from sigzoo.learning.training.loop import Trainer
    from sigzoo.learning.training.run import Run
    from sigzoo.learning.training.validation import Validator

    def watched(owner: Any, name: str, stage: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        @wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            found = inner(*args, **kwargs)
            line = {
                "stage": stage,
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
            }
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            return found

        setattr(owner, name, timed)

    build = import_module("sigzoo.learning.building.build")
    watched(build, "_fetch_all", "fetching and verifying")
    watched(StoredData, "digest", "hashing the data again")
    watched(TeacherEnricher, "remember", "the teacher's answers")
    watched(Trainer, "epoch", "an epoch: training")
    watched(Validator, "measure", "an epoch: measuring")
    watched(Run, "_keep", "an epoch: weights and checkpoint")
    watched(build, "_measure", "comparing with the teacher")
    watched(build, "_build", "everything")


def child(options: argparse.Namespace) -> int:
    """`sigzoo build`, with the registry of this benchmark in place of the core's."""
    from sigzoo.cli import run

    torch.set_num_threads(options.threads)
    command = ["build", options.model, "--device", options.device]
    command += [] if options.epochs is None else ["--epochs", str(options.epochs)]
    with patch("sigzoo.installed.core_registry_path", lambda: options.child):
        if options.dry_run:
            return run([*command, "--dry-run", "--json"])
        watch(Path(os.environ["SIGZOO_HOME"]) / STAGES)
        return run(command)


def start(
    options: argparse.Namespace, registry: Path, home: Path, *more: str, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a build whose cache is `home`."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, __file__, str(options.folder), "--child", str(registry)]
    for name in ("model", "device", "threads", "epochs"):
        value = getattr(options, name)
        command += [] if value is None else [f"--{name}", str(value)]
    environment = {**os.environ, "SIGZOO_HOME": str(home), "OMP_NUM_THREADS": str(options.threads)}
    return subprocess.Popen([*command, *more], env=environment, stdout=stdout)


def stages(home: Path) -> list[dict[str, Any]]:
    """What a build has written of its stages so far."""
    path = home / STAGES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def estimate(options: argparse.Namespace, registry: Path, home: Path) -> float:
    """Seconds that `sigzoo build --dry-run` tells."""
    told, _ = start(options, registry, home, "--dry-run", stdout=subprocess.PIPE).communicate()
    seconds: float = json.loads(told)["estimate"]["seconds"]
    return seconds


def kill_midway(options: argparse.Namespace, registry: Path, home: Path) -> None:
    """Start a build and kill it in the middle of the epoch after number ``options.kill``."""
    process = start(options, registry, home)
    while True:
        own = [each for each in stages(home) if each["stage"] == "an epoch: weights and checkpoint"]
        if len(own) >= options.kill or process.poll() is not None:
            break
        time.sleep(0.2)
    trained = [each["wall"] for each in stages(home) if each["stage"] == "an epoch: training"]
    time.sleep(0.5 * trained[-1])
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = sorted(path.name for path in (home / "building" / options.model).iterdir())
    print(f"killed in the middle of epoch {options.kill + 1}; in the run's folder: {', '.join(left)}")


def same(one: Path, other: Path, model: str) -> None:
    """Say whether two caches hold the same model."""
    files = [home / "built" / model / "model.safetensors" for home in (one, other)]
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    print(f"weights of the uninterrupted build {first[:16]}..., of the killed one {second[:16]}...")
    if first != second:
        raise SystemExit("they differ")


# Figures


def report(home: Path, model: str, estimated: float) -> None:
    """Print a table of the stages, what came of the build, and what it takes on disk."""
    found = stages(home)
    print(f"{'stage':<34}{'times':>6}{'wall s':>10}{'CPU s':>10}{'peak MB':>9}")
    for name in dict.fromkeys(each["stage"] for each in found):
        own = [each for each in found if each["stage"] == name]
        wall, cpu = (median(each[key] for each in own) for key in ("wall", "cpu"))
        print(f"{name:<34}{len(own):>6}{wall:>10.2f}{cpu:>10.2f}{max(each['peak_mb'] for each in own):>9.0f}")
    parts = ("the teacher's answers", "an epoch: training", "an epoch: measuring")
    took = sum(each["wall"] for each in found if each["stage"] in parts)
    print(f"estimated {estimated:.0f} s for answers and epochs, they took {took:.0f} s")
    provenance = home / "built" / model / "provenance.json"
    if provenance.exists():
        print("agreement:", json.dumps(json.loads(provenance.read_text())["agreement"]))
    sizes = {
        part.name: sum(path.stat().st_size for path in part.rglob("*") if path.is_file()) / 1e6
        for part in sorted(home.iterdir())
        if part.is_dir()
    }
    print("on disk, MB:", ", ".join(f"{name} {size:.1f}" for name, size in sizes.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="signet-student-tiny")
    parser.add_argument("--images", type=int, default=PUBLISHED_IMAGES)
    parser.add_argument("--epochs", type=int, help="by default as many as the recipe says")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kill", type=int, metavar="EPOCH", help="build a second one, killed after it")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dry-run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        raise SystemExit(child(options))
    publish(options.folder, options.images)
    with served(options.folder) as registry:
        whole, killed = (options.folder / f"{options.model}-{how}" for how in ("whole", "killed"))
        if whole.exists() or killed.exists():
            raise SystemExit(f"{whole} or {killed} is there already; remove it to measure anew.")
        estimated = estimate(options, registry, whole)
        failed = start(options, registry, whole).wait()
        report(whole, options.model, estimated)
        if failed:
            raise SystemExit("the build failed")
        if options.kill is not None:
            kill_midway(options, registry, killed)
            if start(options, registry, killed).wait():
                raise SystemExit("the build that was killed does not go on")
            same(whole, killed, options.model)


if __name__ == "__main__":
    main()
