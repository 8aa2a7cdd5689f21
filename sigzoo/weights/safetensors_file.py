"""Weight files of our own: safetensors with the prefixes ``backbone.`` and ``head.<name>.``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sigzoo.common.atomic import write_bytes, write_error
from sigzoo.errors import WeightsError

MAX_HEADER = 8 << 20
MAX_AXES = 8

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def read_safetensors(
    data: bytes, where: str
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]], dict[str, str]]:
    """Read a safetensors file.

    Parameters
    ----------
    data
        The file.
    where
        What messages call the file.

    Returns
    -------
    tensors
        The backbone's, without the prefix ``backbone.``; a file without any prefix is a
        backbone's state dict. Floating point as float32.
    heads
        ``writer`` and ``forgery``, each ``weight`` and ``bias``, where the file has them.
    metadata
        The file's own.

    Raises
    ------
    WeightsError
        If the file is damaged or of another layout.
    """
    header = _header(data, where)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or any(type(value) is not str for value in metadata.values()):
        raise WeightsError(f"{where}: its metadata are not texts; the file is refused.")
    _check_entries(header, len(data) - 8 - int.from_bytes(data[:8], "little"), where)
    try:
        loaded = safetensors.torch.load(data)
    except Exception as problem:
        raise WeightsError(f"{where}: damaged safetensors file ({problem}).") from problem
    # The library's order changes from run to run; the header's does not.
    tensors, heads = _split({key: _float32(loaded[key]) for key in header}, where)
    return tensors, heads, metadata


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
    if len(data) < 10 or not 2 <= length <= min(len(data) - 8, MAX_HEADER):
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
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice[:80]!r} occurs twice")
    return found


def _check_entries(header: dict[str, Any], size: int, where: str) -> None:
    end = 0
    for begin, stop, key, entry in sorted(
        ((*_offsets(key, entry, where), key, entry) for key, entry in header.items()), key=lambda row: row[:2]
    ):
        shape, dtype = entry.get("shape"), entry.get("dtype")
        if type(dtype) is not str or dtype not in _SIZES:
            raise WeightsError(f"{where}: {key!r:.80} has the dtype {dtype!r:.40}; refused.")
        if (
            type(shape) is not list
            or len(shape) > MAX_AXES
            or any(type(n) is not int or not 0 <= n < 1 << 48 for n in shape)
        ):
            raise WeightsError(f"{where}: {key!r:.80} has the shape {shape!s:.80}; refused.")
        if prod(shape) * _SIZES[dtype] != stop - begin:
            raise WeightsError(
                f"{where}: {key!r:.80} of shape {tuple(shape)} {dtype} lies on {stop - begin} bytes; refused."
            )
        if begin != end:
            raise WeightsError(f"{where}: {key!r:.80} overlaps its neighbour or leaves a gap; refused.")
        end = stop
    if end != size:
        raise WeightsError(f"{where}: its tensors take {end} bytes, the file has {size}; it is damaged.")


def _offsets(key: str, entry: Any, where: str) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if type(offsets) is not list or len(offsets) != 2 or any(type(n) is not int or n < 0 for n in offsets):
        raise WeightsError(f"{where}: {key!r:.80} has no place in the file (its offsets are not valid).")
    return offsets[0], offsets[1]


def _float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor


def _split(loaded: dict[str, Tensor], where: str) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    if not any(key.startswith(("backbone.", "head.")) for key in loaded):
        return loaded, {}
    tensors: dict[str, Tensor] = {}
    heads: dict[str, dict[str, Tensor]] = {}
    for key, value in loaded.items():
        group, _, rest = key.partition(".")
        if group == "backbone" and rest:
            tensors[rest] = value
            continue
        head, _, part = rest.partition(".")
        if group != "head" or head not in ("writer", "forgery") or part not in ("weight", "bias"):
            raise WeightsError(
                f"{where}: {key!r:.80} is neither the backbone's (backbone.*) nor a head's "
                "(head.writer.weight, head.forgery.bias, ...)."
            )
        heads.setdefault(head, {})[part] = value
    return tensors, heads
