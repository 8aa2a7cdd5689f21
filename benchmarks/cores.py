"""Files to features on one core and on all, alone and beside a busy process, in turn.

python benchmarks/cores.py FILES... [-m NAME] [--runtime NAME] [--weights FILE] [--rounds N]

One core means that the process may run on no other. The busy process may run anywhere. A round embeds the
files in each of the four ways; the ratio of all cores to one is taken within a round; the median counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from model_options import load_model, model_parser

import sigzoo

__all__ = ["cores"]


@contextmanager
def _on(some: set[int]) -> Iterator[None]:
    """Let this thread, and all that it starts in the block, run on some cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, some)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _neighbour() -> Iterator[None]:
    """A process that computes without end beside the block."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def cores(model: sigzoo.SignatureModel, files: list[str], rounds: int) -> dict[str, Any]:
    """Files a second in each way, and the ratios."""
    every = os.sched_getaffinity(0)
    ways = {"one": {min(every)}, "all": every}
    speeds: dict[str, list[float]] = {}
    model.embed(files[:64])
    for _ in range(rounds):
        for beside, company in (("alone", nullcontext), ("beside one", _neighbour)):
            for name, some in ways.items():
                with company(), _on(some):
                    start = time.perf_counter()
                    model.embed(files)
                    passed = time.perf_counter() - start
                speeds.setdefault(f"{name} {beside}", []).append(len(files) / passed)
    found: dict[str, Any] = {"cores": len(every), "files": len(files)}
    for beside in ("alone", "beside one"):
        one, both = speeds[f"one {beside}"], speeds[f"all {beside}"]
        ratios = [b / a for a, b in zip(one, both, strict=True)]
        found[beside] = {
            "one": round(statistics.median(one), 1),
            "all": round(statistics.median(both), 1),
            "ratio": round(statistics.median(ratios), 2),
            "ratios": [round(each, 2) for each in ratios],
        }
    return found


def main() -> None:
    """Print what was measured as JSON."""
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = load_model(options)
    print(json.dumps(cores(model, options.files, options.rounds)))


if __name__ == "__main__":
    main()
