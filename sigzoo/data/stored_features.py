"""Features that `sigzoo embed` wrote into an npz, read back with what they depend on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.terminal import safe_text
from sigzoo.data.npz import NpzFile, open_npz
from sigzoo.errors import DataError

__all__ = ["PROVENANCE", "StoredFeatures", "read_features", "read_provenance"]

_TEXTS = ("model", "layer", "weights_sha256", "preprocessor", "preprocessor_options")

PROVENANCE = (*_TEXTS, "input_scale")
"""What features of two images must have in common to be compared."""


@dataclass(frozen=True)
class StoredFeatures:
    """What a file of features holds."""

    features: NDArray[np.float32]
    """``(N, D)``; an inner layer's are flattened."""
    files: tuple[str, ...]
    """The images they are of."""
    provenance: dict[str, Any]
    """What they depend on: ``model``, ``layer``, ``weights_sha256``, ``preprocessor``,
    ``preprocessor_options``, ``input_scale``."""


def read_features(path: str | os.PathLike[str]) -> StoredFeatures:
    """Read an npz of features.

    Raises
    ------
    DataError
        If it cannot be read, or is not what `sigzoo embed` writes; says what is missing or wrong.
    """
    shown = safe_text(os.fspath(path))
    with open_npz(path) as file:
        provenance = read_provenance(file, shown)
        features, names = file["features"].read(), file["files"].read()
    if features.dtype.kind != "f" or features.ndim < 2 or not np.isfinite(features).all():
        raise DataError(f"{shown}: its features are no finite numbers, a row an image.")
    if names.dtype.kind != "U" or names.shape != (len(features),):
        raise DataError(f"{shown}: it does not name each of its {len(features)} images.")
    flat = features.reshape(len(features), -1).astype(np.float32, copy=False)
    return StoredFeatures(flat, tuple(map(str, names)), provenance)


def read_provenance(file: NpzFile, shown: str) -> dict[str, Any]:
    """What the features of an npz depend on, as `StoredFeatures` has it.

    Parameters
    ----------
    file
        The npz.
    shown
        What messages call it.

    Raises
    ------
    DataError
        If it is not what `sigzoo embed` writes; says what is missing or wrong.
    """
    missing = [name for name in ("features", "files", *PROVENANCE) if name not in file]
    if missing:
        raise DataError(
            f"{shown}: holds no features of `sigzoo embed`: there is no array {', '.join(missing)}."
        )
    provenance: dict[str, Any] = {name: _text(file, name, shown) for name in _TEXTS}
    scale = file["input_scale"].read()
    if scale.dtype.kind != "f" or scale.shape != ():
        raise DataError(f"{shown}: its input scale is no number.")
    try:
        provenance["preprocessor_options"] = json.loads(provenance["preprocessor_options"])
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shown}: the options of its preprocessor are no JSON.") from error
    return {**provenance, "input_scale": float(scale)}


def _text(file: NpzFile, name: str, shown: str) -> str:
    value = file[name].read()
    if value.dtype.kind != "U" or value.shape != ():
        raise DataError(f"{shown}: its array {name!r} is no text.")
    return str(value)
