"""What of torch belongs to the process, a thread or a network, set for the length of a block."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from torch import nn

__all__ = ["Evaluation", "one_thread", "products"]


class _WhileAnyoneComputes:
    """Changes that hold while any thread is in a block; the last one out takes them back, newest first."""

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def hold(self, change: Callable[[], Iterable[Callable[[], object]]]) -> Iterator[None]:
        """Change something for the block; `change` gives what takes it back."""
        with self._lock:
            self._users += 1
            self._undo += change()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    for each in reversed(self._undo):
                        each()
                    self._undo.clear()


class Evaluation:
    """Evaluation mode while any thread computes; afterwards each part of the network has the mode it had."""

    def __init__(self) -> None:
        self._held = _WhileAnyoneComputes()

    def of(self, network: nn.Module) -> AbstractContextManager[None]:
        """Evaluation mode in the block."""

        def change() -> list[Callable[[], object]]:
            training = [each for each in network.modules() if each.training]
            if training:
                network.eval()
            return [partial(setattr, each, "training", True) for each in training]

        return self._held.hold(change)


_set_threads = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread in the block, in this thread of Python alone.

    How many threads torch computes with is kept once for each thread of Python (OpenMP's), and once for
    threads that have not computed yet. `torch.set_num_threads` sets both: the second is set back by a
    thread that does nothing else.
    """
    with _set_threads:
        before = torch.get_num_threads()  # also tells torch that this thread has computed
        torch.set_num_threads(1)
        other = threading.Thread(target=torch.set_num_threads, args=(before,), daemon=True)
        other.start()
        other.join()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def products(precision: str) -> AbstractContextManager[object]:
    """Compute float32 as float32 in the block, or round products to TF32 where that is asked for.

    cuDNN rounds where nobody says otherwise: features of SigNet deviated by 5.6e-4 from the CPU's with
    TF32, by 1.4e-6 without. And ``torch.set_float32_matmul_precision`` may have been called by anyone.
    """
    wanted = "tf32" if precision == "tf32" else "ieee"
    backends = (torch.backends.mkldnn.conv, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    if torch.cuda.is_available():
        backends = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]

    def change() -> list[Callable[[], object]]:
        """Round as wanted; gives what sets each backend back."""
        back: list[Callable[[], object]] = []
        for each in backends:
            if each.fp32_precision != wanted:
                back.append(partial(setattr, each, "fp32_precision", each.fp32_precision))
                each.fp32_precision = wanted
        return back

    return _rounding.hold(change)


_rounding = _WhileAnyoneComputes()


def _after_fork() -> None:
    """Compute with one thread in a forked child: the parent's other threads of torch are not in it.

    Without this the first parallel operation waits for them for ever.
    """
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
