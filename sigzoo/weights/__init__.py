"""Reading weight files safely, every format; nothing in a file is ever run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigzoo.common.lazy import lazy_names

if TYPE_CHECKING:
    from sigzoo.weights.safetensors_files import save_weights
    from sigzoo.weights.state_dicts import fit_names, load_into
    from sigzoo.weights.weight_files import (
        FileKind,
        WeightFile,
        detect_format,
        read_local_weights,
        read_weights,
    )

__all__ = [
    "FileKind",
    "WeightFile",
    "detect_format",
    "fit_names",
    "load_into",
    "read_local_weights",
    "read_weights",
    "save_weights",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FileKind": "weight_files",
        "WeightFile": "weight_files",
        "detect_format": "weight_files",
        "fit_names": "state_dicts",
        "load_into": "state_dicts",
        "read_local_weights": "weight_files",
        "read_weights": "weight_files",
        "save_weights": "safetensors_files",
    },
)
