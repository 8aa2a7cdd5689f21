"""The weight format: named arrays, one behind the other."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.interfaces import WeightArrays, WeightFormat, WeightsError
from sigzoo.interfaces.weight_formats import file_bytes, file_start

__all__ = ["AllkindsFormat", "write"]

MAGIC = b"allkinds\0"
_HEAD = struct.Struct("<HBc")
_TYPES: dict[bytes, np.dtype[Any]] = {b"f": np.dtype("<f4"), b"i": np.dtype("<i8")}
"""Batch normalisation counts its batches in int64; all else of a network is float32."""

_MOST_DIMENSIONS = 8


class AllkindsFormat(WeightFormat):
    """For each array: length of its name, number of dimensions, type, the name, the dimensions, numbers."""

    description = "a file of allkinds-sigzoo"

    def recognises(self, path: Path, member: str | None = None) -> bool:
        """Look at the first bytes."""
        return file_start(path, member).startswith(MAGIC)

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        """Read all arrays; every size is compared with what is there before it is believed."""
        data, where = file_bytes(path, member)
        if not data.startswith(MAGIC):
            raise WeightsError(f"{where}: no file of allkinds-sigzoo.")
        arrays: dict[str, NDArray[Any]] = {}
        at = len(MAGIC)
        while at < len(data):
            try:
                length, dimensions, letter = _HEAD.unpack_from(data, at)
                name = data[at + _HEAD.size : at + _HEAD.size + length].decode()
                at += _HEAD.size + length
                kind = _TYPES[letter]
                shape = struct.unpack_from(f"<{min(dimensions, _MOST_DIMENSIONS)}I", data, at)
            except (struct.error, UnicodeDecodeError, KeyError) as error:
                raise WeightsError(f"{where}: the header at byte {at} is damaged.") from error
            at += 4 * dimensions
            size = kind.itemsize * math.prod(shape)
            if dimensions > _MOST_DIMENSIONS or 0 in shape or name in arrays or size > len(data) - at:
                raise WeightsError(f"{where}: an array before byte {at} does not fit into the file.")
            arrays[name] = np.frombuffer(data, kind, math.prod(shape), at).reshape(shape)
            at += size
        return WeightArrays(arrays)


def write(path: Path, content: WeightArrays) -> None:
    """Write arrays to a file of this format."""
    parts = [MAGIC]
    for name, value in content.tensors.items():
        letter = b"i" if np.asarray(value).dtype.kind == "i" else b"f"
        array = np.asarray(value, _TYPES[letter])
        parts += [_HEAD.pack(len(name.encode()), array.ndim, letter), name.encode()]
        parts += [struct.pack(f"<{array.ndim}I", *array.shape), array.tobytes()]
    path.write_bytes(b"".join(parts))
