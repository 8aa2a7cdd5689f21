"""Weight files of the Lasagne networks of 2017 and 2018: a pickle of numpy arrays, of either Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces.weight_formats import (
    Global,
    LongText,
    PickleReader,
    PickleRules,
    WeightArrays,
    WeightFormat,
    WeightsError,
    as_text,
    file_bytes,
    file_start,
)

__all__ = ["LasagneFormat"]

# numpy 2 renamed the package; either stands in files, by the numpy that wrote them.
_CORES = ("numpy.core", "numpy._core")
_RECONSTRUCT = frozenset(Global(f"{core}.multiarray", "_reconstruct") for core in _CORES)
_SCALAR = frozenset(Global(f"{core}.multiarray", "scalar") for core in _CORES)
_FROM_BUFFER = frozenset(Global(f"{core}.numeric", "_frombuffer") for core in _CORES)
_NDARRAY = Global("numpy", "ndarray")
_DTYPE = Global("numpy", "dtype")
_ORDERED_DICT = Global("collections", "OrderedDict")
# How Python 3 writes bytes in the protocols of Python 2: as a text, and how to encode it.
_ENCODE = Global("_codecs", "encode")
_BYTES = frozenset({Global("__builtin__", "bytes"), Global("builtins", "bytes")})

_TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_STARTS = (b"}q", b"]q", b"(d", b"(l", b"}(", b"](", b"(cnumpy", b"ccollections\nOrderedDict\n")
"""How pickles of a dict, list or tuple begin in the protocols 0 and 1, which have no header."""

_MAX_AXES = 8
_MAX_ENTRY = 256


class LasagneFormat(WeightFormat):
    """What sigver_wiwd's programs wrote, also where Python 3 saved it again, in any protocol.

    A dict ``{"params": [arrays], "img_size": ..., ...}`` or the list of arrays alone. The arrays become
    ``params[0]``, ``params[1]``, ... in the file's order (five a layer: W, beta, gamma, mean, inverse
    standard deviation), the other entries texts (``img_size: "170x242"``).
    """

    description = "a pickle of arrays, as Lasagne files are"
    holds_state_dict = False

    def recognises(self, path: Path, member: str | None = None) -> bool:
        """Tell a pickle by its first bytes, and torch's older format from it by its magic number."""
        start = file_start(path, member)
        if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            return _TORCH_MAGIC not in start[:32]
        return start.startswith(_STARTS)

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        """Read the arrays as float32.

        Raises
        ------
        WeightsError
            If the file is damaged, of another layout, or asks for anything but float arrays.
        """
        data, where = file_bytes(path, member)
        value, end = PickleReader(data, where, _LasagneRules(len(data))).read()
        if end != len(data):
            raise WeightsError(f"{where}: {len(data) - end} bytes follow the end of the pickle; refused.")
        arrays, entries = _layout(value, where)
        total = 0
        found: dict[str, NDArray[np.float32]] = {}
        for index, item in enumerate(arrays):
            if not isinstance(item, _Array) or item.values is None:
                raise WeightsError(f"{where}: params[{index}] is {_found(item)}, expected an array.")
            total += item.values.nbytes
            # Many arrays may share one string of the file, which copying would multiply.
            if total > len(data):
                raise WeightsError(f"{where}: params[{index}] repeats bytes of another array; refused.")
            found[f"params[{index}]"] = np.array(item.values, dtype=np.float32, order="C", copy=True)
        return WeightArrays(found, metadata=entries)


def _layout(value: Any, where: str) -> tuple[list[Any] | tuple[Any, ...], dict[str, str]]:
    if isinstance(value, list | tuple) and value and isinstance(value[0], _Array):
        return value, {}
    arrays = value.get("params") if isinstance(value, dict) else None
    if not isinstance(arrays, list | tuple):
        raise WeightsError(
            f"{where}: expected a dict with a list 'params', as Lasagne files have, or a list of arrays;"
            f" found {_found(value)}."
        )
    return arrays, {str(key)[:80]: _plain(entry) for key, entry in value.items() if key != "params"}


@dataclass
class _Dtype:
    kind: str
    order: str = "<"


@dataclass
class _Array:
    values: NDArray[Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Number:
    """A numpy scalar, of which nothing but its text is ever wanted."""

    text: str


class _LasagneRules(PickleRules):
    allowed = frozenset(
        {_NDARRAY, _DTYPE, _ENCODE, _ORDERED_DICT, *_BYTES, *_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER}
    )

    def __init__(self, size: int) -> None:
        # A text that many arrays share must not be encoded for each of them.
        self._bytes_left = size

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        if function in _RECONSTRUCT:
            return _reconstruct(*_exactly(arguments, 3, "an array"))
        if function in _FROM_BUFFER:
            raw, dtype, shape, order = _exactly(arguments, 4, "an array")
            return _Array(_values((1, shape, dtype, as_text(order) == "F", raw)))
        if function == _DTYPE:
            return _dtype(*_exactly(arguments, 3, "a dtype"))
        if function == _ENCODE:
            return self._encode(*_exactly(arguments, 2, "bytes"))
        if function in _BYTES and not arguments:
            return memoryview(b"")
        if function in _SCALAR:
            return _scalar(*_exactly(arguments, 2, "a number"))
        if function == _ORDERED_DICT and not arguments:
            return {}
        raise ValueError(f"calls {function}")

    def build(self, target: Any, state: Any) -> None:
        if isinstance(target, _Dtype):
            target.order = _byte_order(state, target.kind)
        elif isinstance(target, _Array) and target.values is None:
            if type(state) is not tuple or len(state) != 5:
                raise ValueError(f"describes an array's state by {_found(state)}")
            target.values = _values(state)
        else:
            super().build(target, state)

    def _encode(self, text: Any, encoding: Any) -> memoryview:
        if as_text(encoding) not in ("latin1", "latin-1"):
            raise ValueError("encodes a text in another way than Python's picklers")
        if not isinstance(text, str | LongText):
            raise ValueError(f"encodes a {type(text).__name__}")
        raw = (text if isinstance(text, str) else text.decode()).encode("latin-1")
        self._bytes_left -= len(raw)
        if self._bytes_left < 0:
            raise ValueError("repeats bytes of another array")
        return memoryview(raw)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not None and not isinstance(kind, Global):
        raise ValueError("makes an array in an unusual way")
    if kind != _NDARRAY or type(shape) is not tuple or len(shape) != 1 or _size(shape[0]) != 0:
        raise ValueError("makes an array in an unusual way")
    if as_text(code) != "b":
        raise ValueError(f"makes an array of type {as_text(code)!r:.60}")
    return _Array()


def _dtype(code: Any, align: Any, copy: Any) -> _Dtype:
    kind = as_text(code)
    # With its byte order where the pickle was made by hand; numpy writes that into the state.
    order, kind = (kind[0], kind[1:]) if kind[:1] in ("<", ">") else ("<", kind)
    return _Dtype(kind, order)


def _byte_order(state: Any, kind: str) -> str:
    version, order, *rest = _exactly(state, 8, "a dtype's state")
    plain = all(part is None or (type(part) is int and part in (-1, 0)) for part in rest)
    order = as_text(order)
    if _size(version) != 3 or order not in ("<", ">", "|") or not plain:
        raise ValueError("describes a dtype with fields or subarrays")
    return "<" if order == "|" else order


def _floating(dtype: _Dtype) -> np.dtype[Any]:
    if dtype.kind not in ("f4", "f8"):
        raise ValueError(f"holds an array of dtype {dtype.kind!r:.60}; weights are f4 or f8")
    return np.dtype(dtype.order + dtype.kind)


def _values(state: tuple[Any, ...]) -> NDArray[Any]:
    version, shape, dtype, fortran, raw = state
    if _size(version) != 1 or type(fortran) is not bool or not isinstance(dtype, _Dtype):
        raise ValueError("gives an array a state of another layout")
    kind = _floating(dtype)
    if not isinstance(raw, memoryview):
        raise ValueError(f"gives an array a {type(raw).__name__} in place of its bytes (an object array?)")
    if type(shape) is not tuple or len(shape) > _MAX_AXES or any(_size(n) < 1 for n in shape):
        raise ValueError("gives an array a shape that is none")
    if prod(shape) * kind.itemsize != len(raw):
        raise ValueError(f"declares an array of shape {shape} {kind.name} and gives it {len(raw)} bytes")
    return np.frombuffer(raw, dtype=kind).reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: Any, raw: Any) -> _Number:
    if not isinstance(dtype, _Dtype) or not isinstance(raw, memoryview):
        raise ValueError("calls numpy's scalar with something else than bytes")
    if dtype.kind not in ("f4", "f8", "i4", "i8", "u1", "b1") or len(raw) != int(dtype.kind[1]):
        raise ValueError(f"calls numpy's scalar for the dtype {dtype.kind!r:.60}")
    return _Number(str(np.frombuffer(raw, dtype.order + dtype.kind)[0]))


def _size(value: Any) -> int:
    """A whole number; -1 for whatever else stands there."""
    return value if type(value) is int else -1


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
    if isinstance(entry, tuple | list) and 0 < len(entry) <= _MAX_AXES:
        parts = [part.text if isinstance(part, _Number) else part for part in entry]
        if all(type(part) in (int, str) for part in parts):
            return "x".join(str(part)[:40] for part in parts)
    if isinstance(entry, memoryview) and len(entry) <= _MAX_ENTRY:
        return as_text(entry)
    if isinstance(entry, _Number):
        return entry.text
    if isinstance(entry, str):
        return entry[:_MAX_ENTRY]
    return str(entry) if isinstance(entry, int | float | None) else _found(entry)
