"""Files to features on one core and on all, alone and beside a busy process, in turn.

python benchmarks/cores.py FILES... [-m NAME] [--runtime NAME] [--weights FILE] [--rounds N]

One core means that the process may run on no other. The busy process may run anywhere. A round embeds the
files in each of the four ways; the ratio of all cores to one is taken within a round; the median counts.

In each round as many programs as there are cores embed the files too, apart, each on a core of its own with
nothing to share: what they do together is the most that the machine allows. It is less than so many times one
where cores are halves of one core, or fetch from one memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from model_options import load_model, model_parser

import sigzoo

__all__ = ["cores"]


def _embed_when_told(model: sigzoo.SignatureModel, files: list[str], core: int) -> None:
    """Stay on one core, and embed the files for each line that comes in; a line goes out with the seconds."""
    os.sched_setaffinity(0, {core})
    model.embed(files[:64])
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        model.embed(files)
        print(time.perf_counter() - start, flush=True)


class _ProgramsApart:
    """A program on each core; they wait while others are measured."""

    def __init__(self, arguments: list[str], cores: set[int]) -> None:
        self._programs = [
            subprocess.Popen(
                [sys.executable, *arguments, "--core", str(core)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for core in sorted(cores)
        ]
        for each in self._programs:
            self._line(each)

    @staticmethod
    def _line(program: subprocess.Popen[str]) -> str:
        line = program.stdout.readline() if program.stdout else ""
        if not line:
            raise RuntimeError(f"A program apart has ended with {program.wait()}.")
        return line

    def speed(self, files: int) -> float:
        """Files a second of all of them, which begin at once."""
        for each in self._programs:
            if each.stdin:
                each.stdin.write("\n")
                each.stdin.flush()
        return sum(files / float(self._line(each)) for each in self._programs)

    def close(self) -> None:
        """End them."""
        for each in self._programs:
            each.kill()
            each.communicate()


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


def cores(
    model: sigzoo.SignatureModel, files: list[str], rounds: int, arguments: list[str]
) -> dict[str, Any]:
    """Files a second in each way, and the ratios; `arguments` start this program once more."""
    every = os.sched_getaffinity(0)
    ways = {"one": {min(every)}, "all": every}
    speeds: dict[str, list[float]] = {}
    model.embed(files[:64])
    with closing(_ProgramsApart(arguments, every)) as apart:
        for _ in range(rounds):
            speeds.setdefault("apart", []).append(apart.speed(len(files)))
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
    most = [b / a for a, b in zip(speeds["one alone"], speeds["apart"], strict=True)]
    found["apart"] = {
        "all": round(statistics.median(speeds["apart"]), 1),
        "ratio": round(statistics.median(most), 2),
        "ratios": [round(each, 2) for each in most],
    }
    return found


def main() -> None:
    """Print what was measured as JSON."""
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, help="for its own use: be a program apart on this core")
    options = parser.parse_args()
    model = load_model(options)
    if options.core is not None:
        _embed_when_told(model, options.files, options.core)
    else:
        print(json.dumps(cores(model, options.files, options.rounds, sys.argv)))


if __name__ == "__main__":
    main()
