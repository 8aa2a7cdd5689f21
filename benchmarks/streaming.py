"""Embed a stream of many image files: images a second, and the most memory that this and its workers took.

python benchmarks/streaming.py [--images 100000] [-m NAME] [--json FILE]

64 drawn signatures are named over and over. Memory is what this process and its workers have for themselves
(`memory_use.py`), looked at every 250 images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from memory_use import family, own_megabytes
from PIL import Image

import sigzoo
from sigzoo.synthesis import Writer

STEPS = (1_000, 3_000, 10_000, 30_000, 100_000)


def stream(model: sigzoo.SignatureModel, count: int) -> list[dict[str, Any]]:
    """Embed `count` images; what was measured after each step."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{writer}.png" for writer in range(64)]
        for writer, path in enumerate(files):
            drawn = Image.fromarray(Writer(writer).genuine(0))
            drawn.reduce(2).save(path)
        start, peak = time.perf_counter(), 0.0
        images = (files[number % 64] for number in range(count))
        for done, _ in enumerate(model.embed_stream(images), start=1):
            if done % 250 == 0 or done == count:
                peak = max(peak, own_megabytes(family()))
            if done in STEPS or done == count:
                seconds = time.perf_counter() - start
                found.append(
                    {
                        "images": done,
                        "seconds": round(seconds, 1),
                        "images_per_s": round(done / seconds, 1),
                        "peak_mb": round(peak, 1),
                        "now_mb": round(own_megabytes(family()), 1),
                    }
                )
                print(json.dumps(found[-1]), flush=True)
    return found


def main() -> None:
    """Print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("-m", "--model", help="the bundled default without it")
    parser.add_argument("--runtime", default="torch")
    parser.add_argument("--json", type=Path, help="write what was measured there")
    options = parser.parse_args()
    model = sigzoo.load(options.model, device="cpu", runtime=options.runtime)
    found = stream(model, options.images)
    if options.json:
        options.json.write_text(
            json.dumps({"model": model.name, "runtime": options.runtime, "steps": found}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
