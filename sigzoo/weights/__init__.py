"""Reading weight and data files safely, every format; nothing in a file is ever run."""

from __future__ import annotations

from sigzoo.weights.loading import load_into
from sigzoo.weights.reading import FORMATS, FileKind, WeightFile, detect_format, read_weights
from sigzoo.weights.safetensors_file import save_weights

__all__ = [
    "FORMATS",
    "FileKind",
    "WeightFile",
    "detect_format",
    "load_into",
    "read_weights",
    "save_weights",
]
