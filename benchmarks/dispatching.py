"""How many worker processes one parent can feed: its own processor time for each image that comes back.

python benchmarks/dispatching.py [--images 20000] [--ms 8]

Workers hand back an image of 150 x 220 pixels after burning no time, so that all that is measured is pickling
names, messages, copying out of shared memory and waking. Beside it the same with workers that compute for
--ms each, in as many processes as there are cores.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import dispatching  # a worker finds the functions under this name, not in its own main module

from sigzoo.common.cores import available_cores
from sigzoo.common.parallel import in_order
from sigzoo.common.worker_pool import WorkerPool

SIZE = 150 * 220


def burn(seconds: float, item: Any) -> tuple[dict[str, Any], memoryview]:
    """Compute for a while, and hand back an image."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return {"shape": (150, 220)}, memoryview(bytes(SIZE))


def nothing() -> None:
    """Begin."""


def measured(seconds: float, images: int, workers: int) -> tuple[float, float]:
    """Images a second, and processor seconds of the parent for each."""
    pool = WorkerPool(
        partial(dispatching.burn, seconds),
        dispatching.nothing,
        workers,
        room=SIZE,
        read=lambda item, said, pixels, warned: (item[0], said, pixels),
        again=lambda item, future: future.set_exception(RuntimeError("the work failed")),
        name=str,
    )
    while not pool.ready:
        time.sleep(0.01)
    names = ((number, f"/some/folder/of/images/{number:06}.png") for number in range(images))
    begun, used = time.perf_counter(), time.process_time()
    count = sum(1 for _ in in_order(pool.submit, names, 32 + 8 * workers))
    passed, spent = time.perf_counter() - begun, time.process_time() - used
    pool.close()
    return count / passed, spent / count


def main() -> None:
    """Print both, and how many workers one parent feeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--ms", type=float, default=8.0, help="time of a core to prepare an image")
    options = parser.parse_args()
    cores = available_cores()
    speed, each = measured(0.0, options.images, cores)
    print(f"instant work, {cores} workers: {speed:.0f} images/s, {1e6 * each:.0f} us of the parent an image")
    speed, each = measured(options.ms / 1e3, options.images // 10, cores)
    print(
        f"{options.ms} ms of work, {cores} workers: {speed:.0f} images/s, {1e6 * each:.0f} us of the parent"
    )
    print(f"one parent feeds {options.ms / 1e3 / each:.0f} workers that take {options.ms} ms an image")


if __name__ == "__main__":
    main()
