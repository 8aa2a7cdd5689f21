"""A graph in int8: weights by channel, activations by what they become on signatures."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError

__all__ = ["quantised"]


def quantised(graph: bytes, batches: Iterable[NDArray[np.float32]], learnt: Collection[str]) -> bytes:
    """Quantise a graph's convolutions and dense layers (static, QDQ); the same input gives the same bytes.

    What a network computes with numbers that somebody designed, a filter, a table of frequencies, stays in
    float32.

    Parameters
    ----------
    graph
        ONNX, float32, with one input.
    batches
        What the numbers in it are calibrated on: float32 ``(n, 1, h, w)`` each.
    learnt
        Names of the weights that were trained.

    Raises
    ------
    UsageError
        If the packages for it are not installed; says which extra is.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    except ImportError as error:
        raise UsageError(
            f"int8 needs the packages onnx and onnxruntime ({error}): pip install 'sigzoo[onnx]'."
        ) from error
    model = onnx.load_from_string(graph)
    # Its shapes are known and its normalisation is folded: nothing is left of what is advised otherwise.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory(prefix="sigzoo-int8-") as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            _reader(model.graph.input[0].name, iter(batches)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=_layers(model, learnt),
        )
        return path.read_bytes()


def _reader(name: str, batches: Iterator[NDArray[np.float32]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(batches, None)
            return None if batch is None else {name: batch}

    return Reader()


def _layers(model: Any, learnt: Collection[str]) -> list[str]:
    """Names of the nodes that multiply by trained weights."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node{number}"
    layers = [node for node in model.graph.node if node.op_type in {"Conv", "Gemm", "MatMul"}]
    return [node.name for node in layers if node.input[1] in learnt]
