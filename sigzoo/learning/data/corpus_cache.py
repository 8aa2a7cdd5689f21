"""Preprocessed data kept on disk between runs, under a digest of all that decides them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sigzoo import __version__
from sigzoo.common.atomic import whole_file
from sigzoo.errors import SigzooError
from sigzoo.learning.data.in_memory import TrainingData

__all__ = ["kept_or_made"]

_ARRAYS = ("pixels", "sizes", "writers", "forged")
_LABEL = "label."


def kept_or_made(folder: Path, key: str, make: Callable[[], TrainingData]) -> TrainingData:
    """Read what was made before under the same key, else make it and keep it.

    Parameters
    ----------
    folder
        Made where it is missing.
    key
        All that decides the data, in words; what was made under another is left alone.
    make
        Makes the data.

    Raises
    ------
    SigzooError
        If it cannot be kept; and whatever `make` raises.
    """
    path = folder / f"corpus-{hashlib.sha256(f'{__version__} {key}'.encode()).hexdigest()[:32]}.npz"
    found = _read(path) if path.is_file() else None
    if found is not None:
        return found
    data = make()
    arrays = {name: getattr(data, name) for name in _ARRAYS}
    arrays |= {f"{_LABEL}{name}": values for name, values in data.labels.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            np.savez(file, **arrays, digest=np.frombuffer(bytes.fromhex(data.digest()), np.uint8))
    except OSError as error:
        raise SigzooError(
            f"{path}: cannot be written: {error.strerror or error}. Train without a cache, or make room."
        ) from error
    return data


def _read(path: Path) -> TrainingData | None:
    """The data of a file; `None` where it is damaged or of another making, so that it is made anew."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
            labels = {
                name.removeprefix(_LABEL): values
                for name, values in arrays.items()
                if name.startswith(_LABEL)
            }
            data = TrainingData(**{name: arrays[name] for name in _ARRAYS}, labels=labels)
            good = data.digest() == arrays["digest"].tobytes().hex()
    except (OSError, EOFError, BadZipFile, KeyError, ValueError, TypeError, IndexError):
        return None
    return data if good else None
