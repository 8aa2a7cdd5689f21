"""Adaptive max pooling in ONNX, which has none: maxima over slices, whatever size comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20

__all__ = ["translations"]

op: Any = opset20
"""Its operators' types are those of numbers in a graph, which are not there yet."""


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What torch's exporter is told: operator -> its function in ONNX."""
    return {torch.ops.aten.adaptive_max_pool2d.default: adaptive_max_pool2d}


def adaptive_max_pool2d(image: Any, output_size: Any) -> Any:
    """Maxima over regions: i of n over a side s goes from ``floor(i s / n)`` to ``ceil((i + 1) s / n)``.

    Rows first, then columns: a maximum over a rectangle is one of maxima. The second result of torch's
    operator, the places, is asked for by no network here.
    """
    rows, columns = (int(each) for each in output_size)
    pooled = _along(_along(image, 2, rows), 3, columns)
    return pooled, pooled


def _along(image: Any, axis: int, count: int) -> Any:
    """Pool one axis."""
    axes = op.Constant(value_ints=[axis])
    side = op.Shape(image, start=axis, end=axis + 1)
    parts = []
    for i in range(count):
        start = op.Div(op.Mul(side, op.Constant(value_ints=[i])), op.Constant(value_ints=[count]))
        reach = op.Mul(side, op.Constant(value_ints=[i + 1]))
        rounded = op.Add(reach, op.Constant(value_ints=[count - 1]))
        end = op.Div(rounded, op.Constant(value_ints=[count]))
        parts.append(op.ReduceMax(op.Slice(image, start, end, axes), axes, keepdims=1))
    return op.Concat(*parts, axis=axis) if count > 1 else parts[0]
