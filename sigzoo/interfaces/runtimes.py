"""The interface of a runtime: what runs a backbone's network on a device; imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UnknownNameError
from sigzoo.interfaces.images import Size

if TYPE_CHECKING:
    from typing import Self

    from sigzoo.interfaces.backbones import Backbone

__all__ = [
    "BATCH",
    "MAX_BATCH_PIXELS",
    "PRECISIONS",
    "NetworkFacts",
    "NetworkSource",
    "Outputs",
    "Runtime",
]

PRECISIONS = ("float32", "tf32", "bfloat16", "float16", "int8")
"""What a network can be asked to compute in. ``float32`` means float32, ``tf32`` that products may be
rounded to 10 bits of mantissa."""

BATCH = 32
"""Images that go through a network at once on a CPU, where nobody says how many."""

MAX_BATCH_PIXELS = 2**22
"""Most pixels in a batch. SigNet-SPP takes some 32 bytes a pixel: 32 A4 pages at 300 dpi were 9 GiB."""

Outputs = dict[str, NDArray[np.float32]]
"""Layers of a batch by name: float32 ``(N, ...)`` each."""


@dataclass(frozen=True)
class NetworkFacts:
    """What of a backbone is asked for beside its features; the attributes are `Backbone`'s."""

    layers: tuple[str, ...]
    feature_dim: int
    input_size: Size | None
    minimum_size: Size

    @classmethod
    def of(cls, backbone: Backbone) -> Self:
        """Those of a backbone."""
        return cls(backbone.layers, backbone.feature_dim, backbone.input_size, backbone.minimum_size)

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise `UnknownNameError` for a name that is not one of `layers`."""
        for name in names:
            if name not in self.layers:
                raise UnknownNameError("layer", name, self.layers, f"Layers: {', '.join(self.layers)}.")


class NetworkSource(Protocol):
    """A model's network for a runtime that makes something of it and keeps that, as a compiler does."""

    @property
    def identity(self) -> Mapping[str, Any] | None:
        """What the network depends on, as plain data: digest of the weights, backbone, options, versions.

        `None` where that is not known, so that nothing can be kept of it.
        """

    @property
    def layer(self) -> str | None:
        """The layer that is asked for most, where that is known."""

    def state(self) -> Hashable:
        """`None` while the network is what `identity` says, else what differs after every change by hand."""

    def backbone(self) -> Backbone:
        """The network, in float32 and evaluation mode, the same object at every call; imports torch."""

    def calibration_images(self) -> Iterator[NDArray[np.uint8]]:
        """Batches of preprocessed synthetic signatures, always the same: uint8 ``(n, 1, h, w)``.

        A runtime of few bits reads off them how large a network's numbers become.
        """

    @property
    def input_scale(self) -> float:
        """What an image is multiplied by to be the network's input."""


class Runtime(ABC):
    """A network, ready to run; batches in, arrays out, no gradients.

    It is built with the backbone, which is in evaluation mode and holds the weights, and with `device`.
    """

    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    """Which of `PRECISIONS` it knows. With more than ``float32`` its ``__init__`` takes `precision`, too."""

    compiles: ClassVar[bool] = False
    """Whether `open` may do without the backbone: it is then loaded when someone asks for it."""

    device: str
    """Where it runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ..."""

    facts: NetworkFacts | None = None
    """What it knows of its network without the backbone; `None` where the backbone must be asked."""

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
            If there is no such device, or the runtime does not run there, or not in the precision.
        """

    @classmethod
    def open(cls, source: NetworkSource, *, device: str = "auto", precision: str = "float32") -> Self:
        """Make a model's network ready to run; by default by building the class with its backbone.

        A runtime that keeps what it has made of a network overrides this: what it finds under the source's
        `identity` spares it the backbone, and so the import of torch.

        Parameters
        ----------
        source
            The network.
        device
            As for ``__init__``.
        precision
            One of `precisions`.

        Returns
        -------
        Runtime
            Ready to `run`.

        Raises
        ------
        UsageError
            As ``__init__`` does.
        """
        options = {} if precision == "float32" else {"precision": precision}
        return cls(source.backbone(), device=device, **options)

    @abstractmethod
    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> Outputs:
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

    def submit(
        self, images: NDArray[np.uint8], layers: Sequence[str], *, scale: float
    ) -> Callable[[], Outputs]:
        """Begin to compute layers of images, and return a function that waits for them and gives them.

        By default all is done before it returns. A runtime on a device overrides this: to copy a quarter
        of the bytes and multiply there, and to let the caller prepare the next batch meanwhile.

        Parameters
        ----------
        images
            uint8 ``(N, 1, h, w)``, as the preprocessor gives them.
        layers
            Some of the backbone's layers.
        scale
            The card's input scale; the network's input is ``images * float32(scale)``.

        Returns
        -------
        function
            Without arguments: layer -> float32 ``(N, ...)``.
        """
        found = self.run(images * np.float32(scale), layers)
        return lambda: found

    def batch_size(self, size: Size, wanted: int | None = None) -> int:
        """How many images go through the network at once.

        By default those that are wanted, or `BATCH`, as far as `MAX_BATCH_PIXELS` go. A runtime on a device
        overrides this by what the device's memory holds.

        Parameters
        ----------
        size
            ``(h, w)`` of the images.
        wanted
            What a caller asks for; `None` for what suits the device.

        Returns
        -------
        int
            At least 1.
        """
        most = max(1, MAX_BATCH_PIXELS // (size[0] * size[1]))
        return min(BATCH if wanted is None else wanted, most)

    def on_one_core(self) -> AbstractContextManager[object]:
        """Let the calling thread's calls of `run` in the block compute on that thread alone, where they can.

        A stream enters it once in each thread that it computes in. Nothing changes for other threads.
        """
        return nullcontext()
