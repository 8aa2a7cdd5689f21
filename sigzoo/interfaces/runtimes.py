"""The interface of a runtime: what runs a backbone's network on a device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sigzoo.interfaces.backbones import Backbone

__all__ = ["Runtime"]


class Runtime(ABC):
    """A network, ready to run; batches in, arrays out, no gradients.

    It is built with the backbone, which is in evaluation mode and holds the weights, and with `device`.
    """

    device: str
    """Where it runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ..."""

    parallel_calls: bool = False
    """Whether several threads may call `run` at a time, each within `on_one_core`. A stream of images then
    computes a batch on every core in place of one batch on all cores, whose threads wait for one another
    whenever another process takes a core from one of them."""

    @abstractmethod
    def __init__(self, backbone: Backbone, *, device: str = "auto") -> None:
        """Make `backbone` ready to run.

        Parameters
        ----------
        backbone
            The network; a runtime may move it, and must leave it in evaluation mode.
        device
            ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ...

        Raises
        ------
        UsageError
            If there is no such device, or the runtime does not run there.
        """

    @abstractmethod
    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Compute layers of a batch.

        Parameters
        ----------
        batch
            float32 ``(N, 1, h, w)``, already multiplied by the card's input scale.
        layers
            Some of the backbone's layers.

        Returns
        -------
        dict
            name -> float32 ``(N, ...)``.
        """

    def on_one_core(self) -> AbstractContextManager[object]:
        """Let the calling thread's calls of `run` in the block compute on that thread alone, where they can.

        A stream enters it once in each thread that it computes in. Nothing changes for other threads.
        """
        return nullcontext()
