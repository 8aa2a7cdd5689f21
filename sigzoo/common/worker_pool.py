"""Processes that work beside this one, whatever program this is: nothing of it is imported in them.

Not `multiprocessing`: that imports the caller's main module in every process it spawns, so that a script
without ``if __name__ == "__main__":`` starts itself again, a notebook or stdin has none, and one that imports
torch has it imported everywhere; forking copies locks that other threads of torch and OpenMP hold.
"""

from __future__ import annotations

import json
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import Pipe, spawn
from multiprocessing.util import _args_from_interpreter_flags  # type: ignore[attr-defined]
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any, TypeAlias

from sigzoo.common.parallel import ignore_sigint
from sigzoo.common.worker import HEADER, Work
from sigzoo.errors import SigzooError

__all__ = ["CHUNK", "Warned", "WorkerPool"]

Warned: TypeAlias = tuple[str, str, str, str, int]
"""A warning: module and name of its category, text, file, line."""

_Task: TypeAlias = tuple[Future[Any], Any]

CHUNK = 4
"""Most items of a job: a message costs as much as a small image, and a job is lost time at the end."""

_READY_SECONDS = 120
"""A worker takes a quarter of a second to start; one that says nothing for so long is no Python."""

_ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
        *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
    ),
    "1",
)
"""Environment of a worker: it has one core."""


class WorkerPool:
    """Workers that apply one function; jobs of a few items, results in memory that both sides share.

    Each worker is driven by a thread here, which sleeps while the worker works. Items are given to whichever
    worker is free. Workers end when they are closed, and by themselves when this process ends, however.

    Parameters
    ----------
    work
        What a worker does with an item; pickled.
    begin
        What it does first; pickled.
    workers
        How many.
    room
        Bytes kept for one result; larger ones go another, slower way.
    read
        Makes a result of an item, what the work said of it, its bytes and its warnings.
    again
        Takes over a task (future and item) whose work raised something.
    name
        What an item is called in messages.

    Raises
    ------
    OSError, or whatever pickling raises
        If that cannot be had here.
    """

    def __init__(
        self,
        work: Work,
        begin: Callable[[], None],
        workers: int,
        *,
        room: int,
        read: Callable[[Any, dict[str, Any], bytearray | None, list[Warned]], Any],
        again: Callable[[Any, Future[Any]], object],
        name: Callable[[Any], str],
    ) -> None:
        if os.name != "posix" or getattr(sys, "frozen", False) or not spawn.get_executable():
            raise OSError("no worker processes here")
        self._hello = pickle.dumps((begin, work))
        self._room, self._read, self._again, self._name = room, read, again, name
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._workers: list[_Worker] = []
        self._owner, self._closed, self.ready = os.getpid(), False, False
        self._alive, self._counting = workers, Lock()
        self._threads = [
            Thread(target=self._drive, name="sigzoo-worker", daemon=True) for _ in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    ready: bool
    """Whether a worker has started, so that items may be submitted."""

    def submit(self, item: Any) -> Future[Any]:
        """Have an item worked on; only once the pool is `ready`."""
        future: Future[Any] = Future()
        with self._counting:
            if self._alive:
                self._queue.put((future, item))
                return future
        self._again(item, future)
        return future

    def close(self) -> None:
        """End all workers at once, whatever they are at."""
        if self._closed or os.getpid() != self._owner:  # a forked copy of this has no workers of its own
            return
        self._closed = True
        for worker in self._workers:
            worker.kill()
        self._queue.put(None)  # each thread hands it to the next
        for thread in self._threads:
            if thread is not current_thread():  # the garbage collector may close this anywhere
                thread.join(5)

    def _drive(self) -> None:
        """Keep a worker busy; the last one that ends leaves no task waiting."""
        try:
            self._keep_busy()
        finally:
            with self._counting:
                self._alive -= 1
                last = not self._alive
            if last and not self._closed:
                self.ready = False
                self._hand_over()

    def _hand_over(self) -> None:
        """Have all tasks done elsewhere that still wait."""
        with suppress(Empty):
            while (task := self._queue.get_nowait()) is not None:
                self._again(task[1], task[0])

    def _keep_busy(self) -> None:
        """Start a worker and keep it busy with two jobs, so that it never waits for the next."""
        try:
            worker = _Worker(self._room, self._hello)
        except OSError:
            return
        self._workers.append(worker)
        jobs: deque[list[_Task]] = deque()
        try:
            if self._closed or not worker.ready():
                return
            self.ready = True
            number = 0
            while True:
                if len(jobs) < 2 and (tasks := self._take(wait=not jobs)) is not None:
                    if not tasks:
                        return
                    jobs.append(tasks)
                    worker.send([item for _, item in tasks], number % 2)
                    number += 1
                    continue
                self._settle(jobs[0], worker)
                jobs.popleft()
                del tasks  # a waiting thread keeps no image alive
        except (EOFError, OSError):
            self._tell_of_death(worker, jobs)
        finally:
            worker.close()

    def _take(self, *, wait: bool) -> list[_Task] | None:
        """The next few tasks; none where the pool is closed; `None` where there are none now."""
        tasks: list[_Task] = []
        wanted = 1
        while len(tasks) < wanted:
            try:
                task = self._queue.get(block=wait and not tasks)
            except Empty:
                return tasks or None
            if task is None:
                self._queue.put(None)  # for the next thread
                return []
            wanted = min(CHUNK, 1 + self._queue.qsize() // len(self._threads))
            if task[0].set_running_or_notify_cancel():
                tasks.append(task)
        return tasks

    def _settle(self, tasks: list[_Task], worker: _Worker) -> None:
        """Wait for a job's answer and give each future its result."""
        answers = worker.receive()
        for (future, item), (answer, result) in zip(tasks, answers, strict=True):
            if "again" in answer:
                self._again(item, future)
                continue
            warned = [tuple(each) for each in answer["warned"]]
            try:
                future.set_result(self._read(item, answer["said"], result, warned))
            except Exception as error:
                future.set_exception(error)

    def _tell_of_death(self, worker: _Worker, jobs: deque[list[_Task]]) -> None:
        """Let all that a dead worker had be an error that says what it was at, and end the pool.

        Tasks that still wait are later ones: whoever takes the results in order meets the error first.
        """
        if self._closed:
            return
        how, place = worker.died(), worker.place()
        names = [self._name(item) for tasks in jobs for _, item in tasks]
        at = f" at {names[min(place, len(names) - 1)]}" if names else ""
        message = (
            f"A worker process died{at} ({how}): it may have run out of memory, or someone ended it. Try"
            " workers=1, which does the work in this process."
        )
        for tasks in jobs:
            for future, _ in tasks:
                if not future.done():
                    future.set_exception(SigzooError(message))


class _Worker:
    """One process, and the ways to it."""

    def __init__(self, room: int, hello: bytes) -> None:
        self._slot = CHUNK * room
        size = HEADER + 2 * self._slot
        self._channel, theirs = Pipe()
        with theirs, _memory(size) as memory:
            self._shared = mmap.mmap(memory.fileno(), size)
            descriptors = theirs.fileno(), memory.fileno()
            path = [os.fspath(each) for each in sys.path]
            code = (
                f"import sys; sys.path[:] = {path!r}; from sigzoo.common.worker import main;"
                f" main({descriptors[0]}, {descriptors[1]}, {room})"
            )
            with ignore_sigint():
                self._process = subprocess.Popen(  # noqa: S603  (this program's own interpreter)
                    [spawn.get_executable(), *_args_from_interpreter_flags(), "-c", code],
                    stdin=subprocess.DEVNULL,
                    pass_fds=descriptors,
                    env={**os.environ, **_ONE_THREAD},
                )
        with suppress(OSError):  # it has ended already, which `ready` finds
            self._channel.send_bytes(hello)

    def ready(self) -> bool:
        """Wait until it has begun; whether it has, and can load what it is to do."""
        if not self._channel.poll(_READY_SECONDS):
            return False
        try:
            return "ready" in json.loads(self._channel.recv_bytes())
        except (EOFError, OSError):
            return False

    def send(self, items: list[Any], slot: int) -> None:
        """Give it a job; its results go to one of two places in the shared memory."""
        try:
            folder = str(Path.cwd())
        except OSError:
            folder = None
        self._channel.send((HEADER + slot * self._slot, items, folder))

    def receive(self) -> list[tuple[dict[str, Any], bytearray | None]]:
        """What it answers to the oldest job: of each item what was said of it, and a copy of its result."""
        answers = []
        for answer in json.loads(self._channel.recv_bytes()):
            result = None
            if "result" in answer:
                at, size = answer["result"]
                result = bytearray(self._channel.recv_bytes() if at is None else self._shared[at : at + size])
            answers.append((answer, result))
        return answers

    def place(self) -> int:
        """Which item of its job it is at."""
        return int(self._shared[0])

    def died(self) -> str:
        """How it ended."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "it answers no more"
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        """End it at once; `receive` in another thread then ends with an `EOFError`."""
        self._process.kill()

    def close(self) -> None:
        """End it, and give back what it took here."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._channel.close()
        self._shared.close()


def _memory(size: int) -> Any:
    """A file of zeros that is nowhere but in memory, or nearly so, and goes with whoever has it open."""
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("sigzoo"), "r+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the caller)
    file.truncate(size)
    return file
