"""Reading weight files safely, every format; nothing in a file is ever run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.weights.safetensors_file import save_weights
    from sigzoo.weights.state_dicts import load_into
    from sigzoo.weights.weight_files import FORMATS, FileKind, WeightFile, detect_format, read_weights

__all__ = [
    "FORMATS",
    "FileKind",
    "WeightFile",
    "detect_format",
    "load_into",
    "read_weights",
    "save_weights",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FORMATS": "weight_files",
        "FileKind": "weight_files",
        "WeightFile": "weight_files",
        "detect_format": "weight_files",
        "load_into": "state_dicts",
        "read_weights": "weight_files",
        "save_weights": "safetensors_file",
    },
)
