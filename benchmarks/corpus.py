"""A training corpus of `synsig` images: images a second and core, beside an earlier commit.

python benchmarks/corpus.py [--families N] [--rounds N]

Both draw the signatures that the bundled models have learnt from, the same ones, and preprocess them, in
processes of their own, in turn; what counts is the processor's time. The earlier commit is the last one
before `synsig` was made faster; without the repository's history there is nothing beside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["corpus"]

ROOT = Path(__file__).parents[1]
EARLIER = "b35b4c4"

MEASURE = """
import json, sys, time, warnings
from contextlib import suppress
warnings.simplefilter("ignore")
import sigzoo
from sigzoo.errors import ImageError
from sigzoo_students.families import FamilySource

count = int(sys.argv[1])
prepare = sigzoo.preprocessor("synsig", statistics=True)
images, drawing, preparing = 0, 0.0, 0.0
# In the proportion in which the bundled models have learnt from both.
for families, sittings in ((4 * count, "no"), (9 * count, "yes")):
    source = FamilySource().open(f"families={families},sittings={sittings}")
    start = time.process_time()
    for drawn in source.read_many(range(len(source))):
        between = time.process_time()
        with suppress(ImageError):  # a few are as good as blank
            prepare(drawn)
        drawing, start = drawing + between - start, time.process_time()
        preparing += start - between
    images += len(source)
milliseconds = {"drawing_ms": 1e3 * drawing / images, "synsig_ms": 1e3 * preparing / images}
print(json.dumps({"images": images, "images_per_s": images / (drawing + preparing), **milliseconds}))
"""


def _measured(checkout: Path, count: int) -> dict[str, float]:
    """What the code of a checkout takes."""
    paths = [checkout, *sorted((checkout / "plugins").iterdir())]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE, str(count)]
    done = subprocess.run(command, check=True, env=env, cwd=checkout, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _earlier(folder: Path) -> Path | None:
    """The earlier commit's files; `None` without the history."""
    command = ["git", "-C", str(ROOT), "archive", EARLIER, "sigzoo", "plugins", "registry.yaml"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        return None
    subprocess.run(["tar", "-x", "-C", str(folder)], input=done.stdout, check=True)
    return folder


def corpus(count: int, rounds: int) -> dict[str, Any]:
    """Images a second and core of both, the medians, and the medians of the rounds' ratios."""
    with tempfile.TemporaryDirectory() as name:
        earlier = _earlier(Path(name))
        pairs = [
            (_measured(ROOT, count), None if earlier is None else _measured(earlier, count))
            for _ in range(rounds)
        ]
    found: dict[str, Any] = {"now": _medians([now for now, _ in pairs]), "earlier_commit": EARLIER}
    both = [(now, before) for now, before in pairs if before is not None]
    if both:
        found["earlier"] = _medians([before for _, before in both])
        found["times"] = statistics.median(now["images_per_s"] / old["images_per_s"] for now, old in both)
        found["times_synsig"] = statistics.median(old["synsig_ms"] / now["synsig_ms"] for now, old in both)
    return found


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", type=int, default=1, help="thirteens of families")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(corpus(options.families, options.rounds), indent=1))


if __name__ == "__main__":
    main()
