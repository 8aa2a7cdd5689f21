"""Seconds of listing commands, and of `sigzoo embed` of one image in each runtime, in turn.

python benchmarks/startup.py [--rounds N]

Beside them a bare interpreter and an import of torch. A runtime of graphs is run before, once, with an empty
cache: that run makes the graph, and has a line of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from sigzoo.synthesis import Writer

__all__ = ["first_features"]

SIGZOO = str(Path(sys.executable).with_name("sigzoo"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "sigzoo --help": [SIGZOO, "--help"],
    "sigzoo list": [SIGZOO, "list"],
    "sigzoo info signet": [SIGZOO, "info", "signet"],
    "sigzoo plugins": [SIGZOO, "plugins"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
}
RUNTIMES = ("torch", "onnx", "openvino")


def seconds(command: list[str], env: dict[str, str] | None = None) -> tuple[float, float]:
    """Time that passed in one run, and time of cores."""
    used, start = _children_seconds(), time.perf_counter()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, _children_seconds() - used


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _imports_torch(command: list[str], env: dict[str, str]) -> bool:
    """Whether a command of Python's, whose first word is the interpreter, imports torch."""
    listing = [command[0], "-X", "importtime", *command[1:]]
    said = subprocess.run(listing, check=True, env=env, capture_output=True, text=True).stderr
    return any(line.split("|")[-1].strip() == "torch" for line in said.splitlines())


def first_features(
    models: dict[str, str | None], runtimes: list[str], image: Path, rounds: int
) -> list[dict[str, Any]]:
    """`sigzoo embed` of one image with each model (and a weight file of its own) in each runtime.

    Returns
    -------
    list of dict
        ``model``, ``runtime``, ``seconds`` and ``cores_s`` (medians), ``first_s`` (the run that makes a
        graph), ``imports_torch``; a runtime that is not installed is left out.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "SIGZOO_HOME": str(Path(folder) / "home")}
        ways: dict[tuple[str, str], list[str]] = {}
        firsts: dict[tuple[str, str], float] = {}
        for model, weights in models.items():
            for runtime in runtimes:
                command = [sys.executable, "-m", "sigzoo", "embed", str(image), "-m", model]
                command += ["--weights", weights] if weights else []
                command += ["--runtime", runtime, "--device", "cpu", "--force", "-o", f"{folder}/one.npz"]
                try:
                    firsts[model, runtime] = seconds(command, env)[0]
                except subprocess.CalledProcessError:
                    continue
                ways[model, runtime] = command
        times: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, command in ways.items():
                times[way].append(seconds(command, env))
        for (model, runtime), command in ways.items():
            passed, used = zip(*times[model, runtime], strict=True)
            found.append(
                {
                    "model": model,
                    "runtime": runtime,
                    "seconds": round(statistics.median(passed), 3),
                    "cores_s": round(statistics.median(used), 3),
                    "first_s": round(firsts[model, runtime], 2),
                    "imports_torch": _imports_torch(command, env),
                }
            )
    return found


def main() -> None:
    """Time all in turn, several rounds, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            taken, _ = seconds(command)
            if number:  # the first round warms the disk's cache
                times[name].append(taken)
    print(f"{'command':<26} {'median':>8} {'min':>8} {'max':>8}   seconds, {rounds} rounds")
    for name, taken_all in times.items():
        print(f"{name:<26} {statistics.median(taken_all):8.3f} {min(taken_all):8.3f} {max(taken_all):8.3f}")
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "one.png"
        Image.fromarray(Writer(1).genuine(0)).save(image)
        rows = first_features({"synsig-tiny": None, "synsig-base": None}, list(RUNTIMES), image, rounds)
    print(f"\n{'sigzoo embed one.png':<26} {'median':>8} {'cores':>8} {'first':>8}   seconds")
    for row in rows:
        torch_too = "imports torch" if row["imports_torch"] else "without torch"
        name = f"{row['model']} {row['runtime']}"
        print(f"{name:<26} {row['seconds']:8.3f} {row['cores_s']:8.3f} {row['first_s']:8.2f}   {torch_too}")


if __name__ == "__main__":
    main()
