"""Batches across requests: images of many requests are prepared on all cores and computed together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.cores import available_cores
from sigzoo.embedding import MAX_BATCH_PIXELS, EmbeddingStream
from sigzoo.embedding.pool import PreparationPool
from sigzoo.embedding.preparation import Prepared
from sigzoo.errors import SigzooError
from sigzoo.imaging import ImageSource, ReadOptions
from sigzoo.model import SignatureModel
from sigzoo.serving.limits import ServingLimits

__all__ = ["Batcher", "Features"]


@dataclass(frozen=True)
class Features:
    """What became of an image."""

    values: NDArray[np.float32] | None
    """Of the layer's shape; `None` where it could not be used."""
    error: SigzooError | None
    """Why not."""
    notes: tuple[str, ...]
    """What there is to say of it."""


@dataclass(frozen=True)
class _Task:
    prepared: Prepared
    layer: str
    future: Future[Features]

    @property
    def kind(self) -> tuple[object, ...]:
        """What images that go through the network together have in common."""
        assert self.prepared.image is not None
        return self.layer, self.prepared.image.shape


class Batcher:
    """Takes single images from any thread, and computes together what waits at a time.

    Each image is prepared as `embed_stream` prepares it, in a process beside once that pays; one that comes
    while nothing else is in hand in a thread, which spares it the way there and back. Threads, one a
    core where the runtime takes several calls at a time, then take what has been prepared. The network
    computes what a stream computes, so features are those of `sigzoo embed`.

    Parameters
    ----------
    model
        Whose features.
    limits
        Sizes of batches, and how long an image waits for others.
    grey_range
        As for `SignatureModel.embed`.
    workers
        Cores to use; all by default.
    observe
        Told the size of each batch, in whatever thread computes it.
    """

    def __init__(
        self,
        model: SignatureModel,
        limits: ServingLimits,
        *,
        grey_range: tuple[float, float] | None = None,
        workers: int | None = None,
        observe: Callable[[int], object] = lambda size: None,
    ) -> None:
        self._model, self._limits, self._observe = model, limits, observe
        cores = self._cores = available_cores() if workers is None else max(1, workers)
        self._streams: dict[str, EmbeddingStream] = {}
        stream = self._stream(model.card.features.layer)
        self._preparing = {
            check: PreparationPool(replace(stream, options=ReadOptions(grey_range, check)).preparation, cores)
            for check in (True, False)
        }
        self._adding, self._gathering = Lock(), Lock()
        self._in_hand: set[Future[Features]] = set()
        self._coming = 0
        """Images that are being prepared."""
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        count = cores if stream.runtime.parallel_calls else 1
        self._threads = [
            Thread(target=self._compute_until_closed, name="sigzoo-batches", daemon=True)
            for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, source: ImageSource, layer: str, *, check: bool) -> Future[Features]:
        """Have an image embedded; with `check` it is looked at whether it is like a signature.

        Raises
        ------
        UnknownNameError
            If there is no such layer.
        """
        self._stream(layer)
        future: Future[Features] = Future()
        future.set_running_or_notify_cancel()  # what was taken is finished
        with self._adding:
            alone = not self._in_hand
            self._in_hand.add(future)
            self._coming += 1
            preparing = self._preparing[check].submit((0, source), here=alone)
        future.add_done_callback(self._in_hand.discard)
        preparing.add_done_callback(partial(self._prepared, layer, future))
        return future

    def close(self) -> None:
        """Finish what was taken, then end the threads and processes; nothing may be submitted meanwhile."""
        wait(list(self._in_hand))
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        for pool in self._preparing.values():
            pool.close()

    def _stream(self, layer: str) -> EmbeddingStream:
        if layer not in self._streams:  # only names that there are get in
            self._streams[layer] = self._model.embedding_stream(layer=layer)
        return self._streams[layer]

    def _prepared(self, layer: str, future: Future[Features], preparing: Future[Prepared]) -> None:
        """Pass a prepared image on to the network."""
        with self._adding:
            self._coming -= 1
        error = preparing.exception()
        if error is not None:
            future.set_exception(error)
            return
        item = preparing.result()
        if item.image is None:
            future.set_result(Features(None, item.error, item.notes))
        else:
            self._queue.put(_Task(item, layer, future))

    def _compute_until_closed(self) -> None:
        with self._stream(self._model.card.features.layer).runtime.on_one_core():
            while tasks := self._gathered():
                kinds: dict[tuple[object, ...], list[_Task]] = {}
                for task in tasks:
                    kinds.setdefault(task.kind, []).append(task)
                for same in kinds.values():
                    self._compute(same)
                del tasks, kinds, same, task  # a waiting thread keeps no image alive

    def _gathered(self) -> list[_Task]:
        """What waits, up to a batch, and what is nearly there; nothing once closed.

        While preparation keeps all cores busy, others are waited for, for `max_wait` at most: the network
        costs a small batch three times as much an image as a large one. Where a core is free, what waits goes
        at once. One thread gathers at a time: two would make two small batches of one.
        """
        with self._gathering:
            first = self._queue.get()
            tasks = [] if first is None else [first]
            pixels = 0 if first is None else _pixels(first)
            until = time.monotonic() + self._limits.max_wait
            while tasks and len(tasks) < self._limits.batch_size and pixels < MAX_BATCH_PIXELS:
                busy = self._coming >= self._cores
                try:
                    task = self._queue.get(timeout=max(0.0, until - time.monotonic()) if busy else 0.0)
                except Empty:
                    break
                if task is None:
                    self._queue.put(None)  # for this thread, when it comes again
                    break
                tasks.append(task)
                pixels += _pixels(task)
            return tasks

    def _compute(self, tasks: Sequence[_Task]) -> None:
        """Compute images of one size and layer, and give each its features."""
        stream = self._stream(tasks[0].layer)
        try:
            self._observe(len(tasks))
            rows = stream.begin([task.prepared.image for task in tasks if task.prepared.image is not None])()
        except BaseException as error:  # each request is told; the thread goes on with others
            for task in tasks:
                task.future.set_exception(error)
            return
        for task, row in zip(tasks, rows, strict=True):
            result = stream.result(task.prepared, row)
            task.future.set_result(Features(result.features, result.error, task.prepared.notes))


def _pixels(task: _Task) -> int:
    assert task.prepared.image is not None
    return task.prepared.image.size
