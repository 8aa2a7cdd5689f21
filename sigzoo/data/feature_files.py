"""Features written to disk as they come, in constant memory: npz or csv."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.errors import UsageError

FORMATS = (".npz", ".csv")


class FeatureWriter(Protocol):
    """Takes rows one by one; writes what is left when it is closed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, file: str, features: NDArray[np.float32]) -> None:
        """Add the features of one image.

        Raises
        ------
        UsageError
            If their shape is not that of the first.
        """


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


def sidecar(path: Path) -> Path | None:
    """The JSON file beside a CSV, which has no place for what its features depend on; `None` for npz."""
    return path.with_name(f"{path.name}.json") if check_output(path) == ".csv" else None


def open_writer(path: Path, provenance: Mapping[str, Any]) -> FeatureWriter:
    """Open a writer for ``.npz``, which keeps what the features depend on, or ``.csv``.

    Raises
    ------
    UsageError
        For another suffix.
    """
    return NpzWriter(path, provenance) if check_output(path) == ".npz" else CsvWriter(path)


def check_shape(file: str, shape: tuple[int, ...], first: tuple[int, ...] | None) -> None:
    """Refuse features that do not go into one array with the first image's.

    Raises
    ------
    UsageError
        If the shapes differ; names the image and both.
    """
    if first is not None and shape != first:
        raise UsageError(
            f"{file}: its features have shape {shape}, those of the first image {first}: this layer"
            " follows the size of the image. Take a later layer, a preprocessor with a canvas, or"
            " `embed_stream`."
        )


class NpzWriter:
    """Writes ``features`` float32 ``(N, ...)``, ``files`` (text), and what they depend on by its names.

    Texts and numbers are arrays without axes; options are JSON.
    """

    def __init__(self, path: Path, provenance: Mapping[str, Any]) -> None:
        self._path = path
        self._labels = {
            name: np.array(json.dumps(value) if isinstance(value, dict) else value)
            for name, value in provenance.items()
        }
        self._count, self._longest = 0, 1
        self._shape: tuple[int, ...] = (0,)
        self._names: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 closed in __exit__
        self._rows: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 closed in __exit__

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32]) -> None:
        """Add the features of one image."""
        check_shape(file, features.shape, self._shape if self._count else None)
        self._shape = features.shape
        self._count, self._longest = self._count + 1, max(self._longest, len(file))
        self._names.write(file.encode("utf-8", "surrogateescape") + b"\0")
        self._rows.write(np.ascontiguousarray(features, dtype="<f4").data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._rows, self._names:
            if kind is None:
                self._assemble()

    def _assemble(self) -> None:
        self._rows.seek(0)
        with ArrayWriter(self._path) as archive:
            with archive.open("features", "<f4", (self._count, *self._shape)) as member:
                shutil.copyfileobj(self._rows, member, 1 << 20)
            text = f"<U{self._longest}"
            with archive.open("files", text, (self._count,)) as member:
                names = self._read_names()
                while block := list(islice(names, 4096)):
                    member.write(np.array(block, dtype=text).tobytes())
            for name, array in self._labels.items():
                archive.add(name, array)

    def _read_names(self) -> Iterator[str]:
        """The names again, in order, a block of the file at a time."""
        self._names.seek(0)
        rest = b""
        while block := self._names.read(1 << 16):
            *whole, rest = (rest + block).split(b"\0")
            yield from (name.decode("utf-8", "surrogateescape") for name in whole)


class CsvWriter:
    """Writes a header ``file,f0,f1,...`` and a line an image; inner layers are flattened."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        self._csv = csv.writer(self._file)
        self._shape: tuple[int, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32]) -> None:
        """Add the features of one image."""
        check_shape(file, features.shape, self._shape)
        flat = features.ravel()
        if self._shape is None:
            self._csv.writerow(["file", *(f"f{index}" for index in range(flat.size))])
            self._shape = features.shape
        # A spreadsheet runs a cell that begins so as a formula; the leading apostrophe makes it text there.
        name = f"'{file}" if file.startswith(("=", "+", "-", "@", "\t", "\r")) else file
        self._csv.writerow([name, *flat.astype(str)])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
