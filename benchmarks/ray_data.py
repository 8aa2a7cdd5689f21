"""Ray Data beside the engine on Ray's tasks and actors: throughput, and what handing out shards takes.

python benchmarks/ray_data.py [--images 4096] [--shards 500 2000] [--turns 2]

Both run on a cluster of this machine's cores, in turns. Throughput: scans into Parquet, by `RayEngine` and by
`PrepareImages` and `EmbedPrepared` in a Ray Data pipeline. Handing out: shards of 1,024 paths with which
nothing is done; time of a core and memory (USS) of the program that hands them out, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import describe
from memory_use import own_megabytes
from scans import small_scans

from sigzoo.jobs import EmbedPrepared, EmbedSettings, PrepareImages, RayEngine, run_job
from sigzoo.jobs.manifest import inputs_manifest
from sigzoo.jobs.ray_pipeline import Stages, connected, run_stages

PATHS = 1024
BATCH = 64


def by_engine(paths: list[str], output: str) -> None:
    """Scans into a folder of shards."""
    settings = EmbedSettings(check_images=False)
    model = settings.load_model()
    options: dict[str, Any] = {"shard_size": BATCH, "resume": False}
    run_job(inputs_manifest(paths), settings, model, output, RayEngine(model=model), **options)


def by_ray_data(paths: list[str], output: str) -> None:
    """The same scans into a folder of Parquet files."""
    import ray.data

    settings = EmbedSettings(check_images=False)
    images = ray.data.from_items([{"path": each} for each in paths], override_num_blocks=len(paths) // BATCH)
    prepared = images.map_batches(PrepareImages(settings), batch_size=BATCH)
    pool = ray.data.ActorPoolStrategy(size=1)
    options: dict[str, Any] = {"fn_constructor_args": (settings,), "batch_size": BATCH, "num_cpus": 0}
    prepared.map_batches(EmbedPrepared, compute=pool, **options).write_parquet(output)


def throughput(count: int, turns: int) -> None:
    """Images a second of both, the start of their actors included; the best of some turns."""
    best = dict.fromkeys((by_engine, by_ray_data), 0.0)
    with tempfile.TemporaryDirectory() as folder, connected(None):
        scans = small_scans(64)
        paths = [f"{folder}/{number:06d}.png" for number in range(count)]
        for number, path in enumerate(paths):
            Path(path).write_bytes(scans[number % len(scans)])
        for turn in range(turns):
            for each in best:
                start = time.monotonic()
                each(paths, f"{folder}/{each.__name__}-{turn}/")
                best[each] = max(best[each], count / (time.monotonic() - start))
    for each, rate in best.items():
        print(f"{each.__name__}: {rate:.0f} images/s", flush=True)


def shards(count: int) -> Iterator[tuple[int, list[str]]]:
    """Numbered lists of paths."""
    for number in range(count):
        yield number, [f"/archive/cheques/{number * PATHS + each:012d}.png" for each in range(PATHS)]


def _first(_: Any, item: tuple[int, list[str]]) -> tuple[int, int]:
    return item[0], 8


def _load(_: Any) -> Any:
    return lambda _item, made: made


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {"number": row["number"]}


class _Actor:
    """What does nothing with a row."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Give it back."""
        return row


def numbers_by_engine(ray: Any, count: int) -> Iterator[int]:
    """Shards through the engine's two stages."""
    return run_stages(ray, Stages(_first, _load, None), shards(count))


def numbers_by_ray_data(ray: Any, count: int) -> Iterator[int]:
    """Shards through two stages of Ray Data."""
    import numpy as np
    import ray.data

    items = [{"number": number, "paths": np.array(paths)} for number, paths in shards(count)]
    pool = ray.data.ActorPoolStrategy(size=1)
    rows = (
        ray.data.from_items(items, override_num_blocks=count).map(_row).map(_Actor, compute=pool, num_cpus=0)
    )
    return (row["number"] for row in rows.iter_rows())


HANDING_OUT = {"engine": numbers_by_engine, "ray_data": numbers_by_ray_data}


def handing_out(which: str, count: int) -> None:
    """Hand out shards; prints what it takes."""
    with connected(None) as ray:
        small, start, begun = own_megabytes([os.getpid()]), time.process_time(), time.monotonic()
        largest, first, seen = small, 0.0, set()
        for number in HANDING_OUT[which](ray, count):
            first = first or time.monotonic() - begun
            seen.add(number)
            largest = max(largest, own_megabytes([os.getpid()])) if len(seen) % 50 == 1 else largest
        assert len(seen) == count
        spent = time.process_time() - start
    print(
        f"{which}, {count:,} shards: {1000 * spent / count:.2f} ms of a core a shard,"
        f" {largest - small:.0f} MB more memory, the first was done after {first:.1f} s",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--shards", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--hand-out", choices=HANDING_OUT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if options.hand_out:
        handing_out(options.hand_out, options.shards[0])
        return
    print(describe())
    for count in options.shards:
        for which in HANDING_OUT:
            command = [sys.executable, __file__, "--hand-out", which, "--shards", str(count)]
            subprocess.run(command, check=True)
    throughput(options.images, options.turns)


if __name__ == "__main__":
    main()
