"""Features written to disk as they come, in constant memory: npz or csv."""

from __future__ import annotations

import csv
import shutil
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UsageError

FORMATS = (".npz", ".csv")


class FeatureWriter(Protocol):
    """Takes rows one by one; writes what is left when it is closed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, file: str, features: NDArray[np.float32]) -> None:
        """Add the features of one image, all of one shape."""


def check_output(path: Path) -> str:
    """Return the format that a file's suffix names.

    Raises
    ------
    UsageError
        If it is none of `FORMATS`.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"{path}: features are written as {' or '.join(FORMATS)}; choose one of these suffixes."
        )
    return path.suffix.lower()


def open_writer(path: Path, model: str, layer: str) -> FeatureWriter:
    """Open a writer for ``.npz`` or ``.csv``.

    Raises
    ------
    UsageError
        For another suffix.
    """
    return NpzWriter(path, model, layer) if check_output(path) == ".npz" else CsvWriter(path)


class NpzWriter:
    """Writes ``features`` float32 ``(N, ...)``, ``files`` (text), ``model`` and ``layer``."""

    def __init__(self, path: Path, model: str, layer: str) -> None:
        self._path = path
        self._labels = {"model": np.array(model), "layer": np.array(layer)}
        self._files: list[str] = []
        self._shape: tuple[int, ...] = (0,)
        self._rows: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 closed in __exit__

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32]) -> None:
        """Add the features of one image."""
        self._shape = features.shape
        self._files.append(file)
        self._rows.write(np.ascontiguousarray(features, dtype="<f4").data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._rows:
            if kind is None:
                self._assemble()

    def _assemble(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(self._files), *self._shape)}
        self._rows.seek(0)
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as archive:
            with archive.open("features.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                shutil.copyfileobj(self._rows, member, 1 << 20)
            for name, array in {"files": np.array(self._files, dtype=np.str_), **self._labels}.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


class CsvWriter:
    """Writes a header ``file,f0,f1,...`` and a line an image; inner layers are flattened."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        self._started = False

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32]) -> None:
        """Add the features of one image."""
        flat = features.ravel()
        if not self._started:
            self._csv.writerow(["file", *(f"f{index}" for index in range(flat.size))])
            self._started = True
        self._csv.writerow([file, *flat.astype(str)])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
