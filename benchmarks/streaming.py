"""Embed many image files in a stream: images a second, and the memory of the process as it goes."""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

from PIL import Image

import sigzoo
from sigzoo.synthesis import Writer


def resident_megabytes() -> float:
    """Resident memory of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    """Write some images, name them over and over, and embed them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("-m", "--model", help="the bundled default without it")
    count = parser.parse_args().images
    model = sigzoo.load(parser.parse_args().model, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{writer}.png" for writer in range(64)]
        for writer, path in enumerate(files):
            Image.fromarray(Writer(writer).genuine(0)).save(path)
        stream = model.embed_stream(files[number % 64] for number in range(count))
        print(f"{'images':>9} {'images/s':>9} {'resident MB':>12}   {model.name}")
        start, done, step = time.perf_counter(), 0, max(1, count // 10)
        while taken := sum(1 for _ in islice(stream, step)):
            done += taken
            print(
                f"{done:9d} {done / (time.perf_counter() - start):9.0f} {resident_megabytes():12.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
