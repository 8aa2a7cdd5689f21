"""Opens a file as large as the published inverted data: time to the first batch, memory, throughput.

    python benchmarks/inverted_data.py [--folder DIR] [--images 12744]

The file is made here (float32, 12,744 x 1 x 150 x 220, labels of 16 bytes an image, 1.68 GB), once
stored and once compressed. Each measurement runs in a process of its own, after the file has been
written and (where the system allows) dropped from the page cache. Budgets: the first batch within a
second, under 300 MB resident.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 150, 220
PUBLISHED_IMAGES = 12_744


def write_file(path: Path, images: int, compressed: bool) -> None:
    """Write the file in blocks, so that making it takes no memory either."""
    rng = np.random.default_rng(0)
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (images, 1, HEIGHT, WIDTH)}
            np.lib.format.write_array_header_1_0(member, header)
            for start in range(0, images, 64):
                count = min(64, images - start)
                # Mostly background with grey strokes, as inverted signatures are.
                block = rng.random((count, 1, HEIGHT, WIDTH), dtype=np.float32)
                block[block < 0.7] = 0
                member.write(block.tobytes())
        for name, values in (("y", np.arange(images) % 531 + 350), ("yforg", np.zeros(images))):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, values.astype(np.int64))


def drop_from_page_cache(path: Path) -> None:
    """Ask the system to forget the file's pages, so that reading it reads the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def resident_bytes(field: str) -> int:
    """Read a field of Linux's account of this process, ``VmRSS`` or ``VmHWM``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this benchmark reads /proc, it needs Linux")


def measure(path: Path, shuffle_seed: int | None) -> dict[str, float]:
    """Measure one pass over the file; runs in a process of its own."""
    from sigzoo.data.signature_npz import SignatureData

    before = resident_bytes("VmRSS")
    begin = time.perf_counter()
    with SignatureData(path, label_range=(350, 880)) as data:
        batches = data.batches(32, shuffle_seed=shuffle_seed)
        next(batches)
        first = time.perf_counter() - begin
        count = 32 + sum(len(batch.y) for batch in batches)
    whole = time.perf_counter() - begin
    return {
        "first_batch_s": round(first, 3),
        "images": count,
        "images_per_s": round(count / whole),
        "rss_before_mb": round(before / 1e6),
        "peak_rss_mb": round(resident_bytes("VmHWM") / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where to put the file (4 GB)")
    parser.add_argument("--images", type=int, default=PUBLISHED_IMAGES)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.seed)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for compressed in (False, True):
            path = Path(folder) / "data.npz"
            write_file(path, options.images, compressed)
            for seed in (None, 7):
                drop_from_page_cache(path)
                command = [sys.executable, __file__, "--measure", str(path)]
                command += [] if seed is None else ["--seed", str(seed)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                found |= {"file_mb": round(path.stat().st_size / 1e6, 1)}
                kind = "compressed" if compressed else "stored"
                print(f"{kind}, {'in order' if seed is None else 'shuffled'}:", json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
