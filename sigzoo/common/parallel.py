"""Work in threads or in processes, results in order, a bounded number ahead."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sigzoo.common.cores import available_cores
from sigzoo.errors import SigzooError, UsageError

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def ordered_map(
    work: Callable[[_In], _Out], items: Iterable[_In], *, ahead: int
) -> Generator[_Out, None, None]:
    """Apply `work` to each item in threads and give the results back in order.

    At most `ahead` results wait at any time, so that memory stays constant however many items there
    are. Image decoding and numpy release the interpreter lock, which is what makes threads pay.

    Closing the iterator, or an interrupt, ends it at once: what has not begun is dropped, and a thread
    that is still busy (a decoder cannot be stopped) ends after its item, waited for by nobody, and never
    keeps the process alive.
    """
    threads = Threads(work, available_cores())
    try:
        yield from in_order(threads.submit, items, ahead)
    finally:
        threads.stop()


class Threads:
    """Daemon threads that take work from a queue.

    Not a `ThreadPoolExecutor`: that waits for its threads at its end and at the interpreter's, and cannot
    be ended from one of its own threads, which is where the garbage collector may close a generator.

    Parameters
    ----------
    work
        What is done with each item.
    most
        How many threads at most.
    within
        A context that each thread is in while it works.
    finish
        Whether the interpreter waits at its end for what the threads are at: it ends threads that come back
        from C++ in a way that aborts the program.
    """

    def __init__(
        self,
        work: Callable[[Any], Any],
        most: int,
        within: Callable[[], AbstractContextManager[object]] = nullcontext,
        *,
        finish: bool = False,
    ) -> None:
        self._work, self._most, self._within, self._finish = work, most, within, finish
        self._threads: list[Thread] = []
        self._queue: SimpleQueue[tuple[Future[Any], Any] | None] = SimpleQueue()

    def submit(self, item: Any, future: Future[Any] | None = None) -> Future[Any]:
        """Have an item worked on; a thread is started while there are fewer than wanted."""
        future = Future() if future is None else future
        self._queue.put((future, item))
        if len(self._threads) < self._most:
            arguments = self._queue, self._work, self._within
            self._threads.append(Thread(target=_take, args=arguments, name="sigzoo-image", daemon=True))
            if self._finish:
                _to_finish[self._threads[-1]] = self._queue
            self._threads[-1].start()
        return future

    def stop(self) -> None:
        """Let every thread end after what it is at; waits for none."""
        for _ in self._threads:
            self._queue.put(None)


_to_finish: WeakKeyDictionary[Thread, SimpleQueue[Any]] = WeakKeyDictionary()
"""Threads that the interpreter waits for, as long as they run, and where they take their work from."""


@atexit.register
def _finish_threads() -> None:
    """Let what is under way end before the interpreter does."""
    running = list(_to_finish.items())
    for _, queue in running:
        queue.put(None)
    for thread, _ in running:
        thread.join(60)


def _take(
    queue: SimpleQueue[tuple[Future[Any], Any] | None],
    work: Callable[[Any], Any],
    within: Callable[[], AbstractContextManager[object]],
) -> None:
    with within():
        while (job := queue.get()) is not None:
            future, item = job
            if future.running() or future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(item))
                except BaseException as error:
                    future.set_exception(error)
            del job, future, item  # a waiting thread keeps no image alive


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
        with ignore_sigint():
            return pool.submit(_apply, item)

    try:
        yield from in_order(submit, items, 2 * workers + 2)
    except BrokenProcessPool as error:
        raise SigzooError(
            "A worker process died before its work was done: it may have run out of memory, or someone ended"
            " it. Try fewer workers. (A script of your own must start its work below"
            " `if __name__ == '__main__':`.)"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(submit: Callable[[_In], Future[_Out]], items: Iterable[_In], ahead: int) -> Iterator[_Out]:
    """Give the results of `submit` in the order of the items, keeping `ahead` of them under way."""
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
def ignore_sigint() -> Iterator[None]:
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
