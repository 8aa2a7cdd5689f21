"""Several processes, as `torchrun` starts them, or one: who this is, and what all agree on."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from sigzoo.errors import SigzooError, UsageError
from sigzoo.learning.data.in_memory import TrainingData

__all__ = ["Group", "session"]

_Kind = TypeVar("_Kind", bound=np.generic)
_Result = TypeVar("_Result")
_sessions = count()
# gloo's threads let go of a collective's tensors after it is done. If theirs is the last hold on one
# they need the interpreter's lock, and whoever ends the group waits for them while holding it.
_recent: deque[torch.Tensor] = deque(maxlen=64)
_DRAIN = 0.2
"""Seconds that leave the lock to those threads before the end: one that still waits for it when Python
itself ends aborts the process, after all its work is done."""


@dataclass(frozen=True)
class Group:
    """The processes that train together."""

    rank: int
    """Which of them this is, from 0."""
    size: int
    device: torch.device

    @property
    def is_rank_zero(self) -> bool:
        """Whether this one reads the data and writes the results."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.size > 1:
            dist.barrier()

    def on_rank_zero(self, do: Callable[[], _Result]) -> _Result | None:
        """Let the first process do something, while the others wait; they get `None`.

        Raises
        ------
        SigzooError
            What `do` raised, in the first process; in the others that it did.
        """
        if self.size == 1:
            return do()
        result, failure = None, None
        if self.is_rank_zero:
            try:
                result = do()
            except SigzooError as error:
                failure = error
        failed = self.broadcast(np.array([float(failure is not None)]) if self.is_rank_zero else None)
        if failure is not None:
            raise failure
        if failed[0]:
            raise SigzooError("The first process of this training has stopped; its message says why.")
        return result

    def broadcast(self, values: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Give every process the first one's vector; the others pass `None`."""
        own = np.empty(0) if values is None else values
        return self._broadcast_array(own).astype(np.float64)

    def broadcast_data(self, data: TrainingData | None) -> TrainingData:
        """Give every process the data that the first one has read; the others pass `None`."""
        if self.size == 1:
            assert data is not None
            return data
        empty = np.empty(0, np.int64)
        own = TrainingData(np.empty(0, np.uint8), empty, empty, empty) if data is None else data
        names = self._broadcast_array(np.array([*"\n".join(own.labels).encode()], np.uint8))
        labels = {
            name: self._broadcast_array(own.labels.get(name, empty))
            for name in names.tobytes().decode().split("\n")
            if name
        }
        pixels, sizes = self._broadcast_array(own.pixels), self._broadcast_array(own.sizes.reshape(-1))
        writers, forged = self._broadcast_array(own.writers), self._broadcast_array(own.forged)
        return TrainingData(pixels, sizes.reshape(-1, 2), writers, forged, labels)

    def mean(self, value: torch.Tensor) -> float:
        """Mean over the processes of a scalar."""
        total = value.detach().double() if value.device.type != "mps" else value.detach().float()
        if self.size > 1:
            total = total.clone()
            _recent.append(total)
            dist.all_reduce(total)
        return float(total) / self.size

    def require_agreement(self, network: nn.Module) -> None:
        """Check that all processes hold the same parameters, to the last bit.

        Raises
        ------
        SigzooError
            If they do not, which would make the result that of one process alone.
        """
        if self.size == 1:
            return
        flat = torch.cat([each.detach().reshape(-1) for each in network.parameters()])
        first = flat.clone()
        _recent.append(first)
        dist.broadcast(first, 0)
        different = torch.tensor(float(not torch.equal(first, flat)), device=flat.device)
        if self.mean(different) > 0:
            raise SigzooError(
                "The processes' parameters have drifted apart. Do they run the same versions of torch and of"
                " all plugins?"
            )

    def _broadcast_array(self, array: NDArray[_Kind]) -> NDArray[_Kind]:
        if self.size == 1:
            return array
        length = torch.tensor([array.size], device=self.device)
        _recent.append(length)
        dist.broadcast(length, 0)
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        if not self.is_rank_zero:
            tensor = torch.empty(int(length), dtype=tensor.dtype, device=self.device)
        _recent.append(tensor)
        dist.broadcast(tensor, 0)
        found: NDArray[_Kind] = tensor.cpu().numpy()
        return found


@contextmanager
def session(device: str) -> Iterator[Group]:
    """Join the processes that `torchrun` started; alone without it.

    Parameters
    ----------
    device
        ``"auto"`` or ``"cuda"`` (a GPU for each process), ``"cpu"``, ``"cuda:1"``, ...

    Raises
    ------
    UsageError
        If there is no such device.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    own = size > 1 and not dist.is_initialized()
    if own:
        _join("nccl" if chosen.type == "cuda" else "gloo")
    deterministic, benchmark = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield Group(rank, size, chosen)
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, benchmark
        if own:
            time.sleep(_DRAIN)
            dist.destroy_process_group()


def _join(backend: str) -> None:
    """Join under keys of this session's own: in those of an earlier one stand addresses that are gone."""
    store, rank, size = next(rendezvous("env://"))
    own = PrefixStore(f"sigzoo-{next(_sessions)}", store)
    dist.init_process_group(backend, store=own, rank=rank, world_size=size)


def _device(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{local_rank}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"The device {name!r} cannot be used: {reason}. Try device='cpu'.") from error
    return device
