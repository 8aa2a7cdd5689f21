"""What runtimes of ONNX graphs have in common: making a graph of a network, and keeping it; no torch."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.parallel import Threads
from sigzoo.errors import UsageError
from sigzoo.graphs.store import GraphStore
from sigzoo.interfaces.runtimes import NetworkFacts, NetworkSource, Outputs, Runtime

if TYPE_CHECKING:
    from sigzoo.interfaces.backbones import Backbone

__all__ = ["GraphRuntime", "Session"]

_log = logging.getLogger("sigzoo.graphs")

LEAST_COSINE = 0.999
"""Least cosine similarity of features in a reduced precision with those in float32."""

_HALF = ("bfloat16", "float16")
_COMPARED = 4
"""Signatures on which a precision is compared with float32."""

Session: TypeAlias = Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]
"""Computes a graph's outputs; may be called from several threads at a time."""


class GraphRuntime(Runtime):
    """Runs a graph that was made of the backbone; each choice of layers has one of its own.

    Graphs of a model are kept in the cache. Where one is found, neither the backbone nor torch is needed.
    A backbone that is changed by hand, moved or brought to another precision is made a graph of anew,
    in float32: what runs follows its values.
    """

    compiles: ClassVar[bool] = True

    def __init__(self, backbone: Backbone, *, device: str = "auto", precision: str = "float32") -> None:
        """Make a network ready to run; its graph is made now.

        Raises
        ------
        UsageError
            If the packages are not installed, or there is no such device, or it does not compute in the
            precision.
        """
        self._begin(_HeldBackbone(backbone.eval()), device, precision)

    @classmethod
    def open(cls, source: NetworkSource, *, device: str = "auto", precision: str = "float32") -> Self:
        """Make a model's network ready to run; see `Runtime.open`."""
        made = cls.__new__(cls)
        made._begin(source, device, precision)
        return made

    def _begin(self, source: NetworkSource, device: str, precision: str) -> None:
        if precision not in self.precisions:
            raise UsageError(f"There is no precision {precision!r} here: {', '.join(self.precisions)}.")
        self.device, self.precision = self._check(device, precision), precision
        self._source, self._store = source, GraphStore(source.identity)
        self._lock, self._thread = threading.RLock(), threading.local()
        self._sessions: dict[tuple[Any, ...], Session] = {}
        self.parallel_calls = self.device == "cpu"
        self._state: Hashable | None = None
        self._made: tuple[tuple[str, ...], bytes] | None = None
        self._state = source.state()
        layer = source.layer if source.layer is not None else source.backbone().layers[-1]
        self._made = (layer,), self._graph((layer,))
        if precision in _HALF and source.identity is not None:
            self._expect_alike(self._made[1], self._made[1], layer)

    @abstractmethod
    def _check(self, device: str, precision: str) -> str:
        """Name the device that is meant.

        Raises
        ------
        UsageError
            If it is not there, or does not compute in the precision, or a package is missing.
        """

    @abstractmethod
    def _session(self, graph: bytes, *, precision: str, one_core: bool) -> Session:
        """Load a graph; with `one_core` each call computes on one core, and calls run beside one another."""

    def run(self, batch: NDArray[np.float32], layers: Sequence[str]) -> Outputs:
        """Compute layers of a batch; see `Runtime.run`."""
        names, one_core = tuple(layers), getattr(self._thread, "one_core", False)
        with self._lock:
            self._follow()
            key = (names, one_core)
            if key not in self._sessions:
                made, self._made = self._made, None
                graph = made[1] if made is not None and made[0] == names else self._graph(names)
                self._sessions[key] = self._session(graph, precision=self.precision, one_core=one_core)
            session = self._sessions[key]
        return dict(zip(names, session(np.ascontiguousarray(batch)), strict=True))

    def submit(
        self, images: NDArray[np.uint8], layers: Sequence[str], *, scale: float
    ) -> Callable[[], Outputs]:
        """Compute layers of images; on a GPU beside the caller, who prepares the next batch meanwhile."""
        if self.parallel_calls:
            return super().submit(images, layers, scale=scale)
        thread = Threads(self._scaled_run, 1, finish=True)
        batch = thread.submit((images, tuple(layers), scale))
        thread.stop()  # after this one
        return batch.result

    def _scaled_run(self, batch: tuple[NDArray[np.uint8], tuple[str, ...], float]) -> Outputs:
        images, layers, scale = batch
        return self.run(images * np.float32(scale), layers)

    def on_one_core(self) -> AbstractContextManager[object]:
        """Let this thread's calls in the block compute on one core each."""
        return self._on_one_core()

    @contextmanager
    def _on_one_core(self) -> Iterator[None]:
        before = getattr(self._thread, "one_core", False)
        self._thread.one_core = True
        try:
            yield
        finally:
            self._thread.one_core = before

    def _follow(self) -> None:
        """Forget what was made of a network that someone has changed since."""
        state = self._source.state()
        if state != self._state:
            self._sessions.clear()
            self._made, self._state = None, state

    def _graph(self, layers: tuple[str, ...]) -> bytes:
        """The graph of some layers, from the cache or made now."""
        kind = {"layers": list(layers), **self._kind()}
        kept = self._store.find(kind) if self._source.state() is None else None
        if kept is not None:
            self.facts = kept.facts
            return kept.content
        backbone = self._source.backbone()
        self.facts = NetworkFacts.of(backbone)
        self.facts.check_layers(layers)
        identity = self._source.identity
        if identity is not None and self._source.state() is None:  # someone waits for it
            what = f"{identity.get('backbone')} ({', '.join(layers)}) in {kind['precision']}"
            _log.warning("sigzoo: making the graph of %s; it is kept for the next time", what)
        content = self._make(backbone, layers)
        if self._source.state() is None:
            self._store.keep(kind, content, self.facts, _packages(backbone))
        return content

    def _kind(self) -> dict[str, Any]:
        """What a graph depends on beside network and layers: precision, and the programs that make it."""
        programs = ["torch", "onnx", "onnxscript"]
        if self.precision == "int8":
            programs.append("onnxruntime")
        bits = "int8" if self.precision == "int8" else "float32"
        return {"precision": bits, "made_by": {name: _version(name) for name in programs}}

    def _make(self, backbone: Backbone, layers: Sequence[str]) -> bytes:
        from sigzoo.graphs.onnx_export import to_onnx

        graph = to_onnx(backbone, layers)
        if self.precision != "int8":
            return graph
        from sigzoo.graphs.quantising import quantised

        scale = np.float32(self._source.input_scale)
        batches = (batch * scale for batch in self._source.calibration_images())
        found = quantised(graph, batches, {f"backbone.{name}" for name, _ in backbone.named_parameters()})
        self._expect_alike(found, graph, ", ".join(layers))
        return found

    def _expect_alike(self, found: bytes, reference: bytes, what: str) -> None:
        """Refuse a precision in which a network no longer computes what it does in float32.

        A runtime rounds what it is given, also what a network would rather have computed exactly.
        """
        exactly = self._session(reference, precision="float32", one_core=False)
        rounding = self._session(found, precision=self.precision, one_core=False)
        scale = np.float32(self._source.input_scale)
        images = [batch * scale for batch in islice(self._source.calibration_images(), _COMPARED)]
        least = min(
            _cosine(ours, exact)
            for batch in images
            for ours, exact in zip(rounding(batch), exactly(batch), strict=True)
        )
        if least < LEAST_COSINE:
            raise UsageError(
                f"{what} in {self.precision} has a cosine similarity of {least:.4f} with float32, below"
                f" {LEAST_COSINE}: {type(self).__name__} rounds more of this network than it"
                " bears. Try another precision, or the runtime 'torch'."
            )


class _HeldBackbone:
    """A backbone that somebody holds, as a source of which nothing is kept."""

    identity: Mapping[str, Any] | None = None
    layer: str | None = None
    input_scale = 1.0

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    def backbone(self) -> Backbone:
        return self._backbone

    def state(self) -> Hashable:
        from sigzoo.graphs.changes import network_state

        return network_state(self._backbone)

    def calibration_images(self) -> Iterator[NDArray[np.uint8]]:
        raise UsageError(
            "int8 is calibrated on a model's preprocessed images, and this is a backbone alone. Load a model:"
            " sigzoo.load(NAME, runtime=..., precision='int8')."
        )


def _packages(backbone: Backbone) -> set[str]:
    """Packages whose code a network is of, without torch's and Python's own."""
    kinds = {kind for each in backbone.modules() for kind in type(each).__mro__}
    names = {kind.__module__.partition(".")[0] for kind in kinds}
    return names - {"torch", "builtins", "abc", "typing", "sigzoo"} | {"sigzoo.graphs"}


def _cosine(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Least cosine similarity of two batches' rows; 0 for what is not finite."""
    one, other = (each.reshape(len(each), -1).astype(np.float64) for each in (found, wanted))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    least = float(((one * other).sum(axis=1) / np.maximum(lengths, 1e-300)).min())
    return least if np.isfinite(least) else 0.0


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
