"""The runtime of ONNX Runtime, on the CPU, or on a GPU with onnxruntime-gpu; imports no torch."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.cores import available_cores
from sigzoo.errors import UsageError
from sigzoo.runtimes.graph_runtime import GraphRuntime, Session

__all__ = ["OnnxRuntime"]


class OnnxRuntime(GraphRuntime):
    """Runs a graph in ONNX Runtime, with as many threads as the process has cores."""

    precisions: ClassVar[tuple[str, ...]] = ("float32", "tf32", "int8")

    def _check(self, device: str, precision: str) -> str:
        found = _onnxruntime().get_available_providers()
        has_gpu = "CUDAExecutionProvider" in found
        if device == "auto":
            device = "cuda" if has_gpu else "cpu"
        if device != "cpu" and not (has_gpu and re.fullmatch(r"cuda(:\d+)?", device)):
            raise UsageError(
                f"The device {device!r} cannot be used by ONNX Runtime, which has here: {', '.join(found)}."
                " Try device='cpu'; onnxruntime-gpu brings CUDA."
            )
        if precision == "tf32" and device == "cpu":
            raise UsageError("tf32 is computed on a GPU alone. Try precision='float32' or 'int8'.")
        return device

    def _session(self, graph: bytes, *, precision: str, one_core: bool) -> Session:
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1 if one_core else available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the cores from those that decode images.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(graph, options, providers=self._providers(precision))
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"ONNX Runtime cannot load the network on {self.device!r}: {reason}.") from error
        name = session.get_inputs()[0].name

        def compute(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            found: list[NDArray[np.float32]] = session.run(None, {name: batch})
            return found

        return compute

    def _providers(self, precision: str) -> list[Any]:
        if self.device == "cpu":
            return ["CPUExecutionProvider"]
        number = self.device.partition(":")[2] or "0"
        options = {"device_id": number, "use_tf32": "1" if precision == "tf32" else "0"}
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"The runtime 'onnx' needs the package onnxruntime ({error}): pip install 'sigzoo[onnx]'."
        ) from error
    return onnxruntime
