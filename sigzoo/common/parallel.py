"""Work in threads or in processes, results in order, a bounded number ahead."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from threading import Thread
from typing import Any, TypeVar

from sigzoo.errors import SigzooError, UsageError

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def workers() -> int:
    """How many threads or processes to use: one a core that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def ordered_map(work: Callable[[_In], _Out], items: Iterable[_In], *, ahead: int) -> Iterator[_Out]:
    """Apply `work` to each item in threads and give the results back in order.

    At most `ahead` results wait at any time, so that memory stays constant however many items there
    are. Image decoding and numpy release the interpreter lock, which is what makes threads pay.
    """
    with ThreadPoolExecutor(max_workers=workers()) as pool:
        yield from _in_order(lambda item: pool.submit(work, item), items, ahead)


def process_map(
    work: Callable[[_In], _Out], items: Iterable[_In], *, workers: int
) -> Generator[_Out, None, None]:
    """Apply `work` to each item in processes and give the results back in order.

    At most two items a process, and two more, are under way or wait to be fetched, so that memory stays
    constant however many items there are and however slowly the results are taken. Close the iterator
    (`contextlib.closing`) to end the processes before the last result; they end with this process too.

    Parameters
    ----------
    work
        A function at the top level of a module (or a `functools.partial` of one), sent to every process
        once.
    items
        What to apply it to; what can be pickled.
    workers
        How many processes; with 1 the work is done in this one.

    Raises
    ------
    UsageError
        If `work` cannot be sent to another process.
    SigzooError
        If a process dies; and whatever `work` raises.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    _check_picklable(work)
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(work,)
    )

    def submit(item: _In) -> Future[_Out]:
        with _ignore_sigint():
            return pool.submit(_apply, item)

    try:
        yield from _in_order(submit, items, 2 * workers + 2)
    except BrokenProcessPool as error:
        raise SigzooError(
            "A worker process died before its work was done: it may have run out of memory, or someone ended"
            " it. Try fewer workers. (A script of your own must start its work below"
            " `if __name__ == '__main__':`.)"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(submit: Callable[[_In], Future[_Out]], items: Iterable[_In], ahead: int) -> Iterator[_Out]:
    """Keep `ahead` items under way."""
    source = iter(items)
    waiting: deque[Future[_Out]] = deque(submit(item) for item in islice(source, ahead))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(submit(item) for item in islice(source, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()


def _check_picklable(work: Callable[[Any], Any]) -> None:
    try:
        ForkingPickler.dumps(work)
    except Exception as error:
        raise UsageError(
            f"This cannot be sent to another process: {error}. Use functions from the top level of a module,"
            " or workers=1."
        ) from error


@contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Let processes that start meanwhile never hear Ctrl-C: the one that started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_work: Callable[[Any], Any]
"""What a process of `process_map` does; set in that process only."""


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot end its processes, which would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(item: Any) -> Any:
    return _work(item)
