"""Work in threads, results in order, a bounded number ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def workers() -> int:
    """How many threads to use: one a core that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def ordered_map(work: Callable[[_In], _Out], items: Iterable[_In], *, ahead: int) -> Iterator[_Out]:
    """Apply `work` to each item in threads and give the results back in order.

    At most `ahead` results wait at any time, so that memory stays constant however many items there
    are. Image decoding and numpy release the interpreter lock, which is what makes threads pay.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=workers()) as pool:
        waiting: deque[Future[_Out]] = deque(pool.submit(work, item) for item in islice(source, ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(source, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
