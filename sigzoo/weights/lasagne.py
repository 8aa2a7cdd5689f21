"""Weight files of the Lasagne networks of 2017 and 2018: a Python 2 pickle of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigzoo.errors import WeightsError
from sigzoo.weights.pickles import Global, PickleReader, Rules, as_text

_RECONSTRUCT = Global("numpy.core.multiarray", "_reconstruct")
_NDARRAY = Global("numpy", "ndarray")
_DTYPE = Global("numpy", "dtype")

MAX_AXES = 8


def read_lasagne(data: bytes, where: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the pickle that wiwd's programs wrote: ``{"params": [arrays], "img_size": ..., ...}``.

    Parameters
    ----------
    data
        The file: Python 2 pickle, protocol 2.
    where
        What messages call the file.

    Returns
    -------
    tensors
        ``params[0]``, ``params[1]``, ... float32, in the order of the file (five a layer:
        W, beta, gamma, mean, inverse standard deviation).
    metadata
        The file's other entries, as text (``img_size: "170x242"``).

    Raises
    ------
    WeightsError
        If the file is damaged, of another layout, or asks for anything but float arrays.
    """
    value, end = PickleReader(data, where, _LasagneRules()).read()
    if end != len(data):
        raise WeightsError(f"{where}: {len(data) - end} bytes follow the end of the pickle; refused.")
    if not isinstance(value, dict) or type(value.get("params")) is not list:
        raise WeightsError(
            f"{where}: expected a dict with a list 'params', as Lasagne files have; found {_found(value)}."
        )
    arrays = value["params"]
    total = 0
    tensors: dict[str, Tensor] = {}
    for index, item in enumerate(arrays):
        if not isinstance(item, _Array) or item.values is None:
            raise WeightsError(f"{where}: params[{index}] is {_found(item)}, expected an array.")
        total += item.values.nbytes
        # Many arrays may share one string of the file, which copying would multiply.
        if total > len(data):
            raise WeightsError(f"{where}: params[{index}] repeats bytes of another array; refused.")
        tensors[f"params[{index}]"] = torch.from_numpy(
            np.array(item.values, dtype=np.float32, order="C", copy=True)
        )
    return tensors, {str(key): _plain(entry) for key, entry in value.items() if key != "params"}


@dataclass
class _Dtype:
    kind: str
    order: str = "<"


@dataclass
class _Array:
    values: NDArray[Any] | None = field(default=None, repr=False)


class _LasagneRules(Rules):
    allowed = frozenset({_RECONSTRUCT, _NDARRAY, _DTYPE})

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        if function == _RECONSTRUCT:
            kind, shape, code = _exactly(arguments, 3, "an array")
            if kind != _NDARRAY or type(shape) is not tuple or len(shape) != 1 or shape[0] != 0:
                raise ValueError("makes an array in an unusual way")
            if as_text(code) != "b":
                raise ValueError(f"makes an array of type {as_text(code)!r}")
            return _Array()
        if function == _DTYPE:
            code, _, _ = _exactly(arguments, 3, "a dtype")
            kind = as_text(code)
            if kind not in ("f4", "f8"):
                raise ValueError(f"holds an array of dtype {kind!r:.60}; weights are f4 or f8")
            return _Dtype(kind)
        raise ValueError(f"calls {function}")

    def build(self, target: Any, state: Any) -> None:
        if isinstance(target, _Dtype):
            target.order = _byte_order(state)
        elif isinstance(target, _Array) and target.values is None:
            target.values = _values(state)
        else:
            super().build(target, state)


def _byte_order(state: Any) -> str:
    version, order, *rest = _exactly(state, 8, "a dtype's state")
    if version != 3 or as_text(order) not in ("<", ">") or any(part not in (None, -1, 0) for part in rest):
        raise ValueError("describes a dtype with fields or subarrays")
    return as_text(order)


def _values(state: Any) -> NDArray[Any]:
    version, shape, dtype, fortran, raw = _exactly(state, 5, "an array's state")
    if version != 1 or type(fortran) is not bool or not isinstance(dtype, _Dtype):
        raise ValueError("gives an array a state of another layout")
    if not isinstance(raw, memoryview):
        raise ValueError(f"gives an array a {type(raw).__name__} in place of its bytes (an object array?)")
    if type(shape) is not tuple or len(shape) > MAX_AXES or any(type(n) is not int or n < 1 for n in shape):
        raise ValueError("gives an array a shape that is none")
    kind = np.dtype(dtype.order + dtype.kind)
    if prod(shape) * kind.itemsize != len(raw):
        raise ValueError(f"declares an array of shape {shape} {kind.name} and gives it {len(raw)} bytes")
    return np.frombuffer(raw, dtype=kind).reshape(shape, order="F" if fortran else "C")


def _exactly(items: Any, count: int, what: str) -> tuple[Any, ...]:
    if type(items) is not tuple or len(items) != count:
        raise ValueError(f"describes {what} by {_found(items)}")
    return items


def _found(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict with the keys {[str(key)[:40] for key in list(value)[:8]]}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__.lstrip('_').lower()}"


def _plain(entry: Any) -> str:
    if isinstance(entry, tuple) and all(type(part) is int for part in entry):
        return "x".join(str(part) for part in entry)
    if isinstance(entry, memoryview) and len(entry) <= 256:
        return as_text(entry)
    return str(entry) if isinstance(entry, int | float | str | None) else _found(entry)
