"""Batches computed beside one another, each on a core of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from sigzoo.common.parallel import Threads
from sigzoo.interfaces import Runtime

__all__ = ["Lanes", "Pending"]

_Batch = TypeVar("_Batch")
_Result = TypeVar("_Result")
_Result_co = TypeVar("_Result_co", covariant=True)


class Pending(Protocol[_Result_co]):
    """A batch under way; a `concurrent.futures.Future` is one."""

    def done(self) -> bool:
        """Whether it is known to be computed."""

    def result(self) -> _Result_co:
        """Wait for it."""


class _Begun(Generic[_Result]):
    """A batch that a runtime computes by itself, as on a GPU."""

    def __init__(self, wait: Callable[[], _Result]) -> None:
        self.result = wait

    def done(self) -> bool:
        """Nobody knows."""
        return False


class Lanes(Generic[_Batch, _Result]):
    """Threads that each compute whole batches; or none, where a runtime takes one call at a time.

    A batch on one core is never held up by another process on another core. A batch shared among cores waits
    at every layer for the last of them: with one process at work beside, two cores were slower than one.

    Parameters
    ----------
    runtime
        Says whether it takes several calls at a time.
    begin
        Begins with a batch, and returns a function that waits for its result.
    cores
        How many batches at a time.
    """

    def __init__(
        self, runtime: Runtime, begin: Callable[[_Batch], Callable[[], _Result]], cores: int
    ) -> None:
        self._begin = begin
        self._threads = (
            Threads(lambda batch: begin(batch)(), cores, runtime.on_one_core, finish=True)
            if runtime.parallel_calls
            else None
        )
        self.count = cores if self._threads else 1
        """How many batches are computed at a time."""

    def submit(self, batch: _Batch) -> Pending[_Result]:
        """Have a batch computed; without threads it is begun, now."""
        return self._threads.submit(batch) if self._threads else _Begun(self._begin(batch))

    def close(self) -> None:
        """Let every thread end after its batch; waits for none."""
        if self._threads:
            self._threads.stop()
