"""Two stages on a Ray cluster, tasks and then actors, with no more under way than its memory holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sigzoo.common.cores import available_cores
from sigzoo.common.extras import import_extra
from sigzoo.errors import SigzooError, UsageError

__all__ = ["Stages", "connected", "run_stages"]

_SHARE = 0.4
"""Of the object store that results of the first stage may fill; the rest is for copies on their way."""

_CPUS_OF_AN_ACTOR = 4
"""Without a GPU there is an actor for so many: preparing an image takes far longer than a small network."""


@dataclass(frozen=True)
class Stages:
    """What is done with each item, as functions that can be pickled.

    Attributes
    ----------
    first
        Given `shared` and an item; gives what the second stage gets, and its size in bytes. It runs in tasks,
        on any node, and again where a node was lost: it must give the same.
    load
        Given `shared`, in each actor when it gets its first item; gives the function of the second stage,
        which is given an item and what the first made of it, and gives something small.
    shared
        Sent to each node once.
    """

    first: Callable[[Any, Any], tuple[Any, int]]
    load: Callable[[Any], Callable[[Any, Any], Any]]
    shared: Any


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Be connected to a cluster: the one of this process, that at an address, or one of this machine's cores.

    Gives Ray's module. What this began is ended with the block; what was there stays.

    Raises
    ------
    UsageError
        If Ray is not installed, or there is no cluster at the address.
    """
    ray = import_extra("ray", "ray", "The engine 'ray'")
    if ray.is_initialized():
        yield ray
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if where == "local":
        options |= {"num_cpus": available_cores(), "include_dashboard": False}
    try:
        ray.init(where, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"No Ray cluster answers at {where}: {error}.") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def run_stages(ray: Any, stages: Stages, items: Iterable[Any]) -> Iterator[Any]:
    """Do both stages for each item; what the second gives, as it comes.

    Items are read as there is room: at most two for each CPU, and no more than the results of the first stage
    fit into the cluster's object store, are under way. So memory stays constant however many there are, and
    nothing is written to disk for want of memory. What a lost node had is done again on another.

    Parameters
    ----------
    ray
        The module, connected.
    stages
        What is done. An exception of theirs is an error of the pipeline: it is raised.
    items
        What it is done with; each can be pickled.

    Raises
    ------
    SigzooError
        If no node is left, or a stage raises something.
    """
    try:
        yield from _Pipeline(ray, stages).run(iter(items))
    except ray.exceptions.RayTaskError as error:
        raise SigzooError(f"Work on the Ray cluster failed: {error.cause or error}.") from error
    except ray.exceptions.RayError as error:
        raise SigzooError(f"The Ray cluster was lost: {error}.") from error


class _Pipeline:
    """Items on their way through both stages."""

    def __init__(self, ray: Any, stages: Stages) -> None:
        self._ray = ray
        have = ray.cluster_resources()
        self._cpus, gpus = max(1, int(have.get("CPU", 1))), int(have.get("GPU", 0))
        self._room = _SHARE * have.get("object_store_memory", float(1 << 30))
        self._largest = 0
        self._shared = ray.put(stages.shared)
        # Tasks and actors outlive their node: each is begun again elsewhere as often as it takes. Actors
        # claim no CPU: with a node lost, one that holds the last CPU would wait for tasks that wait for it.
        self._first = ray.remote(num_cpus=1, num_returns=2, max_retries=-1)(_first)
        kind = ray.remote(
            num_cpus=0,
            num_gpus=1 if gpus else 0,
            max_restarts=-1,
            max_task_retries=-1,
            scheduling_strategy="SPREAD",
        )(_Second)
        count = gpus or max(1, self._cpus // _CPUS_OF_AN_ACTOR)
        self._actors = [kind.remote(stages.load) for _ in range(count)]
        self._function = ray.put(stages.first)
        self._loads = [0] * count
        self._preparing: dict[Any, tuple[Any, Any]] = {}
        """Size -> item, result of the first stage."""
        self._embedding: dict[Any, int] = {}
        """Result of the second stage -> number of the actor."""

    def run(self, items: Iterator[Any]) -> Iterator[Any]:
        """Keep items under way until there are none."""
        try:
            while True:
                while self._has_room() and (item := next(items, _END)) is not _END:
                    result, size = self._first.remote(self._function, self._shared, item)
                    self._preparing[size] = item, result
                waiting = [*self._preparing, *self._embedding]
                if not waiting:
                    return
                for ready in self._ray.wait(waiting, num_returns=1)[0]:
                    if ready in self._preparing:
                        self._pass_on(ready)
                    else:
                        self._loads[self._embedding.pop(ready)] -= 1
                        yield self._ray.get(ready)
        finally:
            for actor in self._actors:
                self._ray.kill(actor)

    def _has_room(self) -> bool:
        """Whether another item may be begun, by the largest that there was; one always may."""
        count = len(self._preparing) + len(self._embedding)
        if not self._largest:  # until a size is known, as many as there are CPUs
            return count < self._cpus
        return count == 0 or (count < 2 * self._cpus and (count + 1) * self._largest <= self._room)

    def _pass_on(self, size: Any) -> None:
        """Give what the first stage made to the actor that has the least to do."""
        item, result = self._preparing.pop(size)
        self._largest = max(self._largest, self._ray.get(size))
        number = min(range(len(self._loads)), key=self._loads.__getitem__)
        self._loads[number] += 1
        self._embedding[self._actors[number].do.remote(self._shared, item, result)] = number


_END = object()


def _first(function: Callable[[Any, Any], tuple[Any, int]], shared: Any, item: Any) -> tuple[Any, int]:
    return function(shared, item)


class _Second:
    """An actor: what its second stage needs is loaded once."""

    def __init__(self, load: Callable[[Any], Callable[[Any, Any], Any]]) -> None:
        self._load = load
        self._work: Callable[[Any, Any], Any] | None = None

    def do(self, shared: Any, item: Any, made: Any) -> Any:
        """Do the second stage for an item."""
        if self._work is None:
            self._work = self._load(shared)
        return self._work(item, made)
