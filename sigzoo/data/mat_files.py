"""Features as MATLAB's ``.mat``: a file of all images, or one an image as the published program wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.extras import import_extra
from sigzoo.data.feature_files import check_shape, plain_text
from sigzoo.errors import UsageError

__all__ = ["MAX_MAT_BYTES", "MatWriter", "write_vector"]

MAX_MAT_BYTES = (1 << 31) - 1024
"""Largest variable of the format (level 5 MAT-files give its size in 32 bits)."""

_LONGEST_NAME = 31
"""Letters of a variable's name that every version of MATLAB reads."""


class MatWriter:
    """Writes ``features`` float32 ``(N, D)``, ``files`` (a cell of texts), and what they depend on.

    All is held in memory until the end: the format has its sizes before its values. A further column is a
    cell of texts, ``column_NAME``.

    Raises
    ------
    UsageError
        If scipy is not installed, or the name of a further column cannot be that of a variable.
    """

    def __init__(self, path: Path, provenance: Mapping[str, Any], columns: Iterable[str] = ()) -> None:
        self._io = import_extra("scipy.io", "eval", "A .mat")
        self._path, self._provenance = path, dict(provenance)
        self._files: list[str] = []
        self._rows: list[NDArray[np.float32]] = []
        self._columns: dict[str, list[str]] = {name: [] for name in columns}
        for name in self._columns:
            if not (name.isascii() and f"c{name}".isidentifier() and len(f"column_{name}") <= _LONGEST_NAME):
                raise UsageError(
                    f"{path}: a column {name!r} cannot be a variable of MATLAB; rename it to letters, digits"
                    f" and _ (at most {_LONGEST_NAME - len('column_')}), or write another format."
                )

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32], columns: Mapping[str, Any] | None = None) -> None:
        """Add the features of one image, flattened.

        Raises
        ------
        UsageError
            If their shape is not that of the first, or all are more than the format can hold.
        """
        check_shape(file, features.shape, self._rows[0].shape if self._rows else None)
        if (len(self._rows) + 1) * features.nbytes > MAX_MAT_BYTES:
            raise UsageError(
                f"{self._path}: a .mat holds less than 2 GiB, {len(self._rows):,} images with these features;"
                " write .parquet, or a folder of shards."
            )
        self._files.append(file)
        self._rows.append(features)
        for name, values in self._columns.items():
            values.append(plain_text((columns or {})[name]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        labels = {
            name: json.dumps(value) if isinstance(value, dict) else value
            for name, value in self._provenance.items()
        }
        flat = (
            np.stack([row.reshape(-1) for row in self._rows]) if self._rows else np.empty((0, 0), np.float32)
        )
        columns = {f"column_{name}": _cell(values) for name, values in self._columns.items()}
        self._io.savemat(self._path, {"features": flat, "files": _cell(self._files), **columns, **labels})


def write_vector(file: IO[bytes], features: NDArray[np.float32]) -> None:
    """Write one image's ``feature_vector``, float32 ``(1, D)``, as `process_folder.py` of sigver_wiwd does.

    Raises
    ------
    UsageError
        If scipy is not installed.
    """
    scipy_io = import_extra("scipy.io", "eval", "A .mat")
    scipy_io.savemat(file, {"feature_vector": features.reshape(1, -1)})


def _cell(texts: list[str]) -> NDArray[Any]:
    """Texts as a column of MATLAB's cells; what is no text in UTF-8 as its escape."""
    cell = np.empty((len(texts), 1), object)
    for place, text in enumerate(texts):
        cell[place, 0] = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return cell
