"""Weight files of our own: safetensors with the prefixes ``backbone.`` and ``head.<name>.``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sigzoo.common.atomic import write_bytes, write_error
from sigzoo.common.limits import MAX_AXES, MAX_SAFETENSORS_HEADER
from sigzoo.common.messages import listed, quoted
from sigzoo.errors import WeightsError
from sigzoo.interfaces.weight_formats import WeightArrays, WeightFormat, file_bytes, file_start
from sigzoo.weights.heads import split_heads

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class SafetensorsFormat(WeightFormat):
    """Weight files of our own, and any other safetensors file of a network's state dict."""

    description = "a safetensors file"

    def recognises(self, path: Path, member: str | None = None) -> bool:
        """Tell the header's first letter behind its length."""
        start = file_start(path, member)
        return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 40

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        """Read the tensors, without the prefix ``backbone.``, the heads and the file's metadata.

        Raises
        ------
        WeightsError
            If the file is damaged or of another layout.
        """
        data, where = file_bytes(path, member)
        header = _header(data, where)
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or any(type(value) is not str for value in metadata.values()):
            raise WeightsError(f"{where}: its metadata are not texts; the file is refused.")
        _check_entries(header, len(data) - 8 - int.from_bytes(data[:8], "little"), where)
        try:
            loaded = safetensors.torch.load(data)
        except Exception as problem:
            raise WeightsError(f"{where}: damaged safetensors file ({problem!s:.200}).") from problem
        # The library's order changes from run to run; the header's does not.
        tensors, heads = split_heads({key: loaded[key] for key in header}, where)
        return WeightArrays(tensors, heads, metadata)


def save_weights(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    heads: Mapping[str, Mapping[str, Tensor]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a safetensors file that `read_weights` reads; the same input gives the same bytes.

    Parameters
    ----------
    path
        The file; it appears under this name only when whole.
    tensors
        The backbone's state dict, stored as it is.
    heads
        ``{"writer": {"weight": ..., "bias": ...}, "forgery": ...}``.
    metadata
        Texts by name.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    WeightsError
        If the file cannot be written.
    """
    named = {f"backbone.{key}": tensor for key, tensor in tensors.items()}
    for head, parts in (heads or {}).items():
        named |= {f"head.{head}.{key}": tensor for key, tensor in parts.items()}
    content = safetensors.torch.save(
        {
            key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for key, tensor in named.items()
        }
    )
    # The library writes metadata in an arbitrary order, so the header is written here.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header = {"__metadata__": dict(sorted((metadata or {}).items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target = Path(path)
    content = len(text).to_bytes(8, "little") + text + content[8 + length :]
    write_bytes(target, content, failure=partial(write_error, kind=WeightsError))
    return target


def _header(data: bytes, where: str) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 10 or not 2 <= length <= min(len(data) - 8, MAX_SAFETENSORS_HEADER):
        raise WeightsError(
            f"{where}: no whole safetensors file: {len(data)} bytes, of which the header declares {length}."
        )
    try:
        header = json.loads(bytes(data[8 : 8 + length]), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise WeightsError(f"{where}: its safetensors header is not valid ({problem!s:.200}).") from problem
    if not isinstance(header, dict):
        raise WeightsError(f"{where}: its safetensors header is a {type(header).__name__}.")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{quoted(twice)} occurs twice")
    return found


def _check_entries(header: dict[str, Any], size: int, where: str) -> None:
    end = 0
    for begin, stop, key, entry in sorted(
        ((*_offsets(key, entry, where), key, entry) for key, entry in header.items()), key=lambda row: row[:2]
    ):
        shape, dtype = entry.get("shape"), entry.get("dtype")
        if type(dtype) is not str or dtype not in _SIZES:
            raise WeightsError(f"{where}: {quoted(key)} has the dtype {quoted(dtype, 40)}; refused.")
        if (
            type(shape) is not list
            or len(shape) > MAX_AXES
            or any(type(n) is not int or not 0 <= n < 1 << 48 for n in shape)
        ):
            raise WeightsError(f"{where}: {quoted(key)} has the shape {_shape(shape)}; refused.")
        if prod(shape) * _SIZES[dtype] != stop - begin:
            raise WeightsError(
                f"{where}: {quoted(key)} of shape {tuple(shape)} {dtype} lies on {stop - begin} bytes;"
                " refused."
            )
        if begin != end:
            raise WeightsError(f"{where}: {quoted(key)} overlaps its neighbour or leaves a gap; refused.")
        end = stop
    if end != size:
        raise WeightsError(f"{where}: its tensors take {end} bytes, the file has {size}; it is damaged.")


def _offsets(key: str, entry: Any, where: str) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if (
        type(offsets) is not list
        or len(offsets) != 2
        or any(type(n) is not int or not 0 <= n < 1 << 128 for n in offsets)
    ):
        raise WeightsError(f"{where}: {quoted(key)} has no place in the file (its offsets are not valid).")
    return offsets[0], offsets[1]


def _shape(shape: Any) -> str:
    return f"({listed(shape)})" if isinstance(shape, list) else quoted(shape)
