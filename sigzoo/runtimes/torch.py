"""The runtime of PyTorch, on the CPU or a GPU: batch normalisation folded, images channels last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sigzoo.errors import UsageError
from sigzoo.graphs.changes import network_state
from sigzoo.graphs.folding import fold_batch_norms, has_hooks
from sigzoo.interfaces.backbones import Backbone
from sigzoo.interfaces.images import Size
from sigzoo.interfaces.runtimes import Outputs, Runtime
from sigzoo.runtimes.torch_copies import fetching, scaled
from sigzoo.runtimes.torch_memory import BatchSizes, CudaMeter
from sigzoo.runtimes.torch_state import Evaluation, one_thread, products

__all__ = ["CompiledTorchRuntime", "TorchRuntime"]

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchRuntime(Runtime):
    """Runs a copy of a backbone with batch normalisation folded, without gradients.

    The backbone itself stays as it is. What is changed in it by hand is noticed before the next batch: a
    backbone with other values is folded anew, and one that was moved, brought to another precision or
    given hooks is run itself, where and as it is.
    """

    precisions: ClassVar[tuple[str, ...]] = ("float32", "tf32", "bfloat16", "float16")

    def __init__(self, backbone: Backbone, *, device: str = "auto", precision: str = "float32") -> None:
        """Move `backbone` to `device`: ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ...

        Raises
        ------
        UsageError
            If there is no such device, or it does not compute in this precision.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.backbone = backbone.eval().to(device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"The device {device!r} cannot be used: {reason}. Try device='cpu'.") from error
        self.device = device
        self.precision = precision
        _check_precision(precision, _place(self.backbone)[0])
        self.parallel_calls = _place(self.backbone)[0].type == "cpu"
        self._evaluation = Evaluation()
        self._preparing = threading.Lock()
        self._ready: nn.Module | None = None
        self._made_of: tuple[Any, ...] = ()
        self._batch_sizes: BatchSizes | None = None
        if _place(self.backbone)[0].type == "cuda":
            self._batch_sizes = BatchSizes(CudaMeter(_place(self.backbone)[0]), self._try)

    def on_one_core(self) -> AbstractContextManager[object]:
        """Compute with one thread of torch in the block, whatever number other threads use."""
        return one_thread() if self.parallel_calls else nullcontext()

    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> Outputs:
        """Compute layers of a batch: float32 ``(N, 1, h, w)`` in, name -> float32 ``(N, ...)`` out.

        A backbone that was moved, or brought to another precision, by hand is run where and as it is; one
        that was left in training mode is run in evaluation mode, and keeps its mode and statistics.

        Raises
        ------
        UsageError
            If the backbone cannot compute in its present precision there, or its parts are on several
            devices.
        """
        return self._begin(lambda device: torch.from_numpy(batch).to(device), layers)()

    def submit(
        self, images: NDArray[np.uint8], layers: Sequence[str], *, scale: float
    ) -> Callable[[], Outputs]:
        """Copy images as they are, scale them on the device, and compute; see `Runtime.submit`.

        On a GPU the copies run beside the computing of the batch before, and nothing is waited for until
        the function that is returned is called.
        """
        return self._begin(lambda device: scaled(images, scale, device), layers)

    def batch_size(self, size: Size, wanted: int | None = None) -> int:
        """Images that go through at once; on a GPU as many as its memory holds, see `Runtime.batch_size`."""
        if self._batch_sizes is None:
            return super().batch_size(size, wanted)
        most = self._batch_sizes.most(size)
        return most if wanted is None else min(wanted, most)

    def _try(self, images: NDArray[np.uint8]) -> None:
        """Compute images for nothing but the memory that it takes."""
        self.submit(images, self.backbone.layers[-1:], scale=1.0)()

    def _begin(
        self, pixels_on: Callable[[torch.device], Tensor], layers: Sequence[str]
    ) -> Callable[[], Outputs]:
        network, as_it_is = self._network()
        device, dtype = _place(network)
        with ExitStack() as block:
            for each in (torch.inference_mode(), self._evaluation.of(network), products(self.precision)):
                block.enter_context(each)
            pixels = pixels_on(device)
            if as_it_is:
                pixels = pixels.to(dtype)
            elif self.precision in _HALF:
                block.enter_context(torch.autocast(device.type, _HALF[self.precision]))
            try:
                return fetching(network.forward_layers(pixels, layers), device)
            except torch.OutOfMemoryError as error:
                raise _too_large(pixels, device) from error
            except RuntimeError as error:
                if not as_it_is or (device, dtype) == (torch.device(self.device), torch.float32):
                    raise  # nobody has changed the backbone: this is a fault of its own
                reason = str(error).splitlines()[0]
                raise UsageError(
                    f"The backbone cannot be run as it is now, {dtype} on {device}: {reason}. Bring all of it"
                    f" to one device and precision, for instance by `model.to({self.device!r})`."
                ) from error

    def _network(self) -> tuple[Any, bool]:
        """What to run, and whether that is the backbone itself, as someone has left it."""
        if not self._as_placed() or has_hooks(self.backbone):
            return self.backbone, True
        with self._preparing:
            state = network_state(self.backbone)
            if self._ready is None or state != self._made_of:
                self._ready, self._made_of = self._prepared(), state
            return self._ready, False

    def _as_placed(self) -> bool:
        """Whether every part of the backbone is where it was brought to, in float32."""
        wanted = torch.device(self.device)
        return all(
            each.dtype == torch.float32
            and each.device.type == wanted.type
            and wanted.index in (None, each.device.index)
            for each in (*self.backbone.parameters(), *self.backbone.buffers())
            if each.is_floating_point()
        )

    def _prepared(self) -> Any:
        """The network that is run: folded, its convolutions in the order of pixels, in the precision."""
        if not any(isinstance(each, (nn.Conv2d, nn.Linear)) for each in self.backbone.modules()):
            return self.backbone  # nothing in it would be another
        with products("float32"):
            network = fold_batch_norms(self.backbone)
        if self.precision in _HALF:
            # What autocast would cast again at every batch. The rest stays float32: what a network
            # computes outside of its layers may need it.
            for each in network.modules():
                if type(each) in (nn.Conv2d, nn.Linear):
                    each.to(_HALF[self.precision])
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class CompiledTorchRuntime(TorchRuntime):
    """`TorchRuntime` through `torch.compile`: minutes at the first batch, less for each image afterwards."""

    def _prepared(self) -> Any:
        network = super()._prepared()
        network.forward_layers = torch.compile(network.forward_layers, dynamic=True)
        return network


def _too_large(pixels: Tensor, device: torch.device) -> UsageError:
    """What to say of a batch that the device's memory does not hold."""
    count, (height, width) = len(pixels), pixels.shape[-2:]
    return UsageError(
        f"{device} has not enough memory for {count} images of {height} x {width} at once. Try"
        f" batch_size={max(1, count // 2)}, or device='cpu'."
    )


def _check_precision(precision: str, device: torch.device) -> None:
    """Refuse what a device does not compute in.

    Raises
    ------
    UsageError
        Says what to take instead.
    """
    if precision not in TorchRuntime.precisions:
        known = ", ".join(TorchRuntime.precisions)
        raise UsageError(f"There is no precision {precision!r}; the runtime 'torch' has {known}.")
    if device.type == "cpu" and precision in ("tf32", "float16"):
        raise UsageError(
            f"{precision} is computed on a GPU alone, and the model is on the CPU. Try precision='bfloat16'"
            " or 'float32'."
        )
    if device.type == "cuda" and precision in ("tf32", "bfloat16"):
        major, minor = torch.cuda.get_device_capability(device)
        if major < 8:
            raise UsageError(
                f"{precision} needs a GPU of compute capability 8.0 or more; {device} has {major}.{minor}."
                " Try precision='float16' or 'float32'."
            )


def _place(network: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a network is, and in what precision: those of its first floating-point parameter."""
    for each in network.parameters():
        if each.is_floating_point():
            return each.device, each.dtype
    return torch.device("cpu"), torch.float32
