"""Reading weight and data files safely, every format; nothing in a file is ever run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.weights.arrays import DataBatch, SignatureData
    from sigzoo.weights.loading import load_into
    from sigzoo.weights.npz import NpzArray, NpzFile, open_npz
    from sigzoo.weights.reading import FORMATS, FileKind, WeightFile, detect_format, read_weights
    from sigzoo.weights.safetensors_file import save_weights

__all__ = [
    "FORMATS",
    "DataBatch",
    "FileKind",
    "NpzArray",
    "NpzFile",
    "SignatureData",
    "WeightFile",
    "detect_format",
    "load_into",
    "open_npz",
    "read_weights",
    "save_weights",
]

__getattr__ = lazy_names(
    __name__,
    {
        "DataBatch": "arrays",
        "FORMATS": "reading",
        "FileKind": "reading",
        "NpzArray": "npz",
        "NpzFile": "npz",
        "SignatureData": "arrays",
        "WeightFile": "reading",
        "detect_format": "reading",
        "load_into": "loading",
        "open_npz": "npz",
        "read_weights": "reading",
        "save_weights": "safetensors_file",
    },
)
