"""The runtime of OpenVINO, on the CPU; imports no torch."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.cores import available_cores
from sigzoo.errors import UsageError
from sigzoo.runtimes.graph_runtime import GraphRuntime, Session

__all__ = ["OpenVinoRuntime"]

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}
"""What arithmetic OpenVINO is told to use; a graph of int8 says itself what is computed in int8."""

_NEEDED = {"bfloat16": "BF16", "float16": "FP16", "int8": "INT8"}
"""What the processor must be able to do."""


class OpenVinoRuntime(GraphRuntime):
    """Runs a graph in OpenVINO, with as many threads as the process has cores."""

    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16", "float16", "int8")

    def _check(self, device: str, precision: str) -> str:
        core = _openvino().Core()
        if device not in ("auto", "cpu"):
            raise UsageError(f"The runtime 'openvino' runs on the CPU, not on {device!r}. Try device='cpu'.")
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        needed = _NEEDED.get(precision)
        if needed is not None and needed not in able:
            raise UsageError(
                f"This processor does not compute in {precision}: OpenVINO finds {', '.join(able)}. Try"
                " precision='float32'."
            )
        return "cpu"

    def _session(self, graph: bytes, *, precision: str, one_core: bool) -> Session:
        core = _openvino().Core()
        threads = available_cores()
        settings = {
            # Without this float32 would be computed in bfloat16 wherever that is faster.
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads if one_core else 1,
            # Which core is free is the system's to know: others work beside.
            "ENABLE_CPU_PINNING": False,
        }
        model = core.compile_model(core.read_model(graph), "CPU", settings)
        free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads if one_core else 1):
            free.put(model.create_infer_request())

        def compute(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            request = free.get()
            try:
                request.infer([batch], share_inputs=True)
                return [np.array(each.data, np.float32) for each in request.output_tensors]
            finally:
                free.put(request)

        return compute


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise UsageError(
            f"The runtime 'openvino' needs the package openvino ({error}): pip install 'sigzoo[openvino]'."
        ) from error
    return openvino
