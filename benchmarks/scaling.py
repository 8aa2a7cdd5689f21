"""What a plan for many machines rests on: costs of an image, a task and an actor, and how workers add up.

python benchmarks/scaling.py [-m NAME] [--cores 1000] [--images 100000000] [--json FILE] [--markdown FILE]

Measured: milliseconds of a core an image (prepared, computed), bytes an image in and out, an actor's start,
and what the program that hands out shards spends on each (real shards of paths, tasks that do nothing). Then
how throughput grows: the real model with one and two workers in turn, and synthetic tasks, which multiply
small matrices and never sleep, with 1, 2, 4 and 8 workers of Ray on the cores that are here. The plan is
arithmetic on these, and says which resource is used up first.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import measured_part
import numpy as np
from machine import describe
from scans import small_scans

import sigzoo
from sigzoo.jobs import EmbedSettings, LocalEngine, Shard, run_job
from sigzoo.jobs.manifest import inputs_manifest
from sigzoo.jobs.ray_engine import RAY_SHARD_SIZE
from sigzoo.jobs.ray_pipeline import Stages, run_stages

FILES = 64
NETWORK = 10e9 / 8
"""Bytes a second of the link of the machine that hands out shards, and of each node."""
NODE = 32
"""Cores of a node."""


def scans(folder: Path) -> list[str]:
    """Files of small scans."""
    paths = []
    for number, content in enumerate(small_scans(FILES)):
        paths.append(folder / f"{number}.png")
        paths[-1].write_bytes(content)
    return list(map(str, paths))


def cost_of_an_image(model: sigzoo.SignatureModel, paths: list[str], folder: Path) -> dict[str, float]:
    """Milliseconds of one core, by the processor's time; bytes."""
    stream = model.embedding_stream(workers=1)
    prepared = [stream.preparation(each) for each in enumerate(paths)]
    images = [each.image for each in prepared if each.image is not None]
    preparing, computing = [], []
    with stream.runtime.on_one_core():
        stream.begin(images[:32])()
        for _ in range(5):
            start = time.thread_time()
            for each in enumerate(paths):
                stream.preparation(each)
            middle = time.thread_time()
            for at in range(0, len(images), 32):
                stream.begin(images[at : at + 32])()
            preparing.append((middle - start) / len(paths))
            computing.append((time.thread_time() - middle) / len(images))
    done = run_job(
        inputs_manifest(paths * 16),
        EmbedSettings(),
        model,
        str(folder / "out"),
        LocalEngine(model),
        shard_size=1024,
        resume=False,
    )
    written = sum(path.stat().st_size for path in (folder / "out").glob("*.parquet"))
    return {
        "prepare_ms": round(1000 * min(preparing), 2),
        "network_ms": round(1000 * min(computing), 2),
        "bytes_in": round(sum(Path(path).stat().st_size for path in paths) / len(paths)),
        "bytes_prepared": images[0].nbytes,
        "bytes_out": round(written / done.embedded),
    }


def one_and_two_workers(model: sigzoo.SignatureModel, paths: list[str]) -> dict[str, float]:
    """Images a second with one worker and with two, in turn: medians."""

    def rate(workers: int) -> float:
        count = 400
        images = (paths[number % FILES] for number in range(count))
        start = time.perf_counter()
        for _ in model.embed_stream(images, workers=workers):
            pass
        return count / (time.perf_counter() - start)

    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(5):
        for workers, found in rates.items():
            found.append(rate(workers))
    one, two = (statistics.median(found) for found in rates.values())
    ratios = [b / a for a, b in zip(rates[1], rates[2], strict=True)]
    return {
        "one": round(one, 1),
        "two": round(two, 1),
        "ratio": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
    }


def _nothing(shared: object, item: Shard) -> tuple[int, int]:
    return len(item), 8


def _told(shared: object) -> Any:
    return lambda item, made: made


def _load_model(shared: str) -> Any:
    model = sigzoo.load(shared)
    model.embed(np.pad(np.zeros((40, 80), np.uint8), 20, constant_values=255), check_images=False)
    return lambda item, made: os.getpid()


def _small(shared: int, item: int) -> tuple[float, int]:
    """So many products of small matrices on one core: some milliseconds of work that no cache shortens."""
    rng = np.random.default_rng(item)
    matrix = rng.random((64, 64))
    for _ in range(shared):
        matrix = matrix @ matrix
        matrix /= matrix.max()
    return float(matrix[0, 0]), 8


def _cluster(workers: int) -> Any:
    import ray

    ray.init(
        "local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    return ray


def cost_of_a_shard() -> dict[str, float]:
    """What the handing out of shards of paths costs, and an actor's start."""
    ray = _cluster(2)
    try:
        names = [
            f"s3://bucket/cheques/2026/11/27/branch-{number:07d}.tif" for number in range(RAY_SHARD_SIZE)
        ]

        def shards(count: int) -> Iterator[Shard]:
            return (Shard(number, number * RAY_SHARD_SIZE, names) for number in range(count))

        stages = Stages(_nothing, _told, None)
        list(run_stages(ray, stages, shards(20)))  # workers are started by then
        count = 300
        start, used = time.perf_counter(), time.process_time()
        list(run_stages(ray, stages, shards(count)))
        used, passed = time.process_time() - used, time.perf_counter() - start
        starts = []
        for _ in range(3):
            start = time.perf_counter()
            list(run_stages(ray, Stages(_nothing, _load_model, "synsig-tiny"), shards(1)))
            starts.append(time.perf_counter() - start)
    finally:
        ray.shutdown()
    return {
        "driver_ms": round(1000 * used / count, 2),
        "wall_ms": round(1000 * passed / count, 2),
        "actor_s": round(statistics.median(starts), 1),
    }


def synthetic(workers: int, products: int = 1500, count: int = 120) -> dict[str, float]:
    """Tasks a second with so many workers, and the milliseconds of a core that one takes by itself."""
    start = time.thread_time()
    for item in range(10):
        _small(products, item)
    alone = (time.thread_time() - start) / 10
    ray = _cluster(workers)
    try:
        stages = Stages(_small, _told, products)
        list(run_stages(ray, stages, range(4 * workers)))
        start = time.perf_counter()
        list(run_stages(ray, stages, range(count)))
        passed = time.perf_counter() - start
    finally:
        ray.shutdown()
    return {"workers": workers, "task_ms": round(1000 * alone, 1), "tasks_per_s": round(count / passed, 1)}


def plan(found: dict[str, Any], cores: int, images: int) -> dict[str, Any]:
    """Arithmetic: how long it takes, what flows where, and at how many cores what is used up."""
    image, shard = found["image"], found["shard"]
    seconds = (image["prepare_ms"] + image["network_ms"]) / 1000
    rate = cores / seconds
    per_core = 1 / seconds
    driver = shard["driver_ms"] / 1000 / RAY_SHARD_SIZE
    return {
        "images_per_s_core": round(per_core, 1),
        "images_per_s": round(rate),
        "hours": round(images / rate / 3600, 2),
        "start_s": shard["actor_s"],
        "read_gb_per_s": round(rate * image["bytes_in"] / 1e9, 2),
        "written_gb_per_s": round(rate * image["bytes_out"] / 1e9, 2),
        "read_tb": round(images * image["bytes_in"] / 1e12, 2),
        "written_tb": round(images * image["bytes_out"] / 1e12, 2),
        "shards": -(-images // RAY_SHARD_SIZE),
        "driver_share": round(rate * driver, 3),
        "node_link_share": round(
            NODE * per_core * (image["bytes_in"] + image["bytes_prepared"] + image["bytes_out"]) / NETWORK, 3
        ),
        "limit_driver_cores": round(seconds / driver),
        "limit_store_cores": {
            f"{gigabytes} GB/s": round(
                cores * gigabytes * 1e9 / (rate * (image["bytes_in"] + image["bytes_out"]))
            )
            for gigabytes in (1, 5, 25)
        },
    }


def table(found: dict[str, Any]) -> str:
    """What was measured, and the plan, for the page."""
    machine, image, shard, plan = found["machine"], found["image"], found["shard"], found["plan"]
    both, cores = found["workers"], found["cores"]
    limits = plan["limit_store_cores"]
    rows = [
        f"| {each['workers']} | {each['task_ms']} | {each['tasks_per_s']} |"
        f" {each['tasks_per_s'] * each['task_ms'] / 1000:.2f} |"
        for each in found["synthetic"]
    ]
    return "\n".join(
        [
            f"{found['model']}, {machine['date']}, {machine['processor']}, {machine['cores']} cores, with"
            f" {machine['load']} programs at work on average when it began.",
            "",
            "| measured | |",
            "|---|---|",
            f"| preparing an image | {image['prepare_ms']} ms of a core |",
            f"| the network | {image['network_ms']} ms of a core |",
            "| bytes of an image, read, prepared, written |"
            f" {image['bytes_in']:,}, {image['bytes_prepared']:,}, {image['bytes_out']:,} |",
            f"| an actor's start until its model is loaded | {shard['actor_s']} s |",
            f"| handing out a shard of {RAY_SHARD_SIZE:,} paths, two tasks | {shard['driver_ms']} ms of a"
            f" core of the program that does; {shard['wall_ms']} ms pass |",
            f"| the model with one worker, with two | {both['one']}, {both['two']} images/s;"
            f" {both['ratio']} times ({both['least']} to {both['most']} in five turns) |",
            "",
            "Synthetic tasks on Ray, which compute and never sleep:",
            "",
            "| workers | ms of a core a task | tasks/s | cores' worth of work |",
            "|---|---|---|---|",
            *rows,
            "",
            f"| the plan for {cores:,} cores and {found['images']:,} images | |",
            "|---|---|",
            "| images a second, of a core and of all |"
            f" {plan['images_per_s_core']}, {plan['images_per_s']:,} |",
            f"| time | {plan['hours']} hours |",
            f"| read, written | {plan['read_gb_per_s']} and {plan['written_gb_per_s']} GB/s;"
            f" {plan['read_tb']} and {plan['written_tb']} TB |",
            f"| shards | {plan['shards']:,} |",
            f"| of one core, for handing out shards | {100 * plan['driver_share']:.1f} % |",
            f"| of a 10 Gbit/s link of a node of {NODE} cores | {100 * plan['node_link_share']:.1f} % |",
            "| cores that a store of 1, 5, 25 GB/s feeds |"
            f" {', '.join(f'{each:,}' for each in limits.values())} |",
            f"| cores that one program can hand out shards to | {plan['limit_driver_cores']:,} |",
        ]
    )


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", default="synsig-tiny")
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="a page with a part that is marked as measured")
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    model = sigzoo.load(options.model)
    found: dict[str, Any] = {"machine": describe(), "model": model.name}
    with tempfile.TemporaryDirectory() as folder:
        paths = scans(Path(folder))
        found["image"] = cost_of_an_image(model, paths, Path(folder))
        found["workers"] = one_and_two_workers(model, paths)
    found["shard"] = cost_of_a_shard()
    found["synthetic"] = [synthetic(workers) for workers in (1, 2, 4, 8)]
    found |= {"cores": options.cores, "images": options.images}
    found["plan"] = plan(found, options.cores, options.images)
    text = table(found)
    print(text)
    measured_part.write("scaling.py", found, text, as_json=options.json, page=options.markdown)


if __name__ == "__main__":
    main()
