"""What runs in a worker process of `sigzoo.common.worker_pool`: work comes in, answers go out.

Here arrive things that this program's own parent process has pickled. What goes back is JSON, and bytes in
memory that both share: a worker opens files of strangers, and nothing that it says is unpickled.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

__all__ = ["HEADER", "Job", "Work", "main"]

Work: TypeAlias = Callable[[Any], tuple[dict[str, Any], memoryview | None]]
"""What a worker does with an item: what JSON can hold, and bytes."""

Job: TypeAlias = tuple[int, list[Any], str | None]
"""Where the first result goes in the shared memory; items; the working folder of the parent."""

HEADER = 64
"""Bytes before the results in the shared memory; the first says which item of a job is worked on."""


def main(channel: int, memory: int, room: int) -> None:
    """Work until the parent closes the channel, or is gone.

    Parameters
    ----------
    channel
        The file descriptor of this end of the channel.
    memory
        The file descriptor of the shared memory.
    room
        Bytes for one result.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and ends this process
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    connection: Connection = Connection(channel)
    shared = mmap.mmap(memory, 0)
    os.close(memory)
    try:
        begin, work = connection.recv()
        begin()
    except EOFError:
        return
    except BaseException as error:  # whatever a plugin's import may raise: the parent does the work itself
        connection.send_bytes(json.dumps({"refused": repr(error)}).encode())
        return
    connection.send_bytes(json.dumps({"ready": os.getpid()}).encode())
    jobs: SimpleQueue[Job] = SimpleQueue()
    Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            _do(jobs.get(), work, shared, room, connection)


def _receive(connection: Connection, jobs: SimpleQueue[Job]) -> None:
    """Take jobs off the channel at once, so that the parent never waits to be rid of one."""
    try:
        while True:
            jobs.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # the parent has closed the channel: whatever is worked on, nobody wants it


def _do(job: Job, work: Work, shared: mmap.mmap, room: int, connection: Connection) -> None:
    """Answer a job in one message; results that have no room in the shared memory follow it."""
    start, items, folder = job
    if folder is not None:
        with suppress(OSError):  # names of files are then not found, as they would not be in the parent
            os.chdir(folder)
    answers, beside = [], []
    for place, item in enumerate(items):
        shared[0] = place
        answer, result = _answer(work, item)
        if result is not None:
            at = start + place * room
            if result.nbytes <= room:
                shared[at : at + result.nbytes] = result.cast("B")
            else:
                beside.append(result)
            answer["result"] = [at if result.nbytes <= room else None, result.nbytes]
        answers.append(answer)
    connection.send_bytes(json.dumps(answers).encode())
    for result in beside:
        connection.send_bytes(result.cast("B"))


def _answer(work: Work, item: Any) -> tuple[dict[str, Any], memoryview | None]:
    """Do one thing, and collect the warnings of it."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            said, result = work(item)
        except BaseException:  # the parent does it again, and has the error as it was raised
            return {"again": True}, None
    told = [
        [each.category.__module__, each.category.__qualname__, str(each.message), each.filename, each.lineno]
        for each in heard
    ]
    return {"said": said, "warned": told}, result
