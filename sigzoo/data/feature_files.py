"""Features written to disk as they come, in constant memory: npz, csv, Parquet; and mat, held in memory."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sigzoo.data.npz_writer import ArrayWriter
from sigzoo.errors import UsageError

FORMATS = (".npz", ".csv", ".parquet", ".mat")


class FeatureWriter(Protocol):
    """Takes rows one by one; writes what is left when it is closed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, file: str, features: NDArray[np.float32], columns: Mapping[str, Any] | None = None) -> None:
        """Add the features of one image, and its values of further columns.

        Raises
        ------
        UsageError
            If the features' shape is not that of the first.
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
            f"{path}: features are written as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; choose one of these"
            " suffixes, or end the name with / for a folder of shards."
        )
    return path.suffix.lower()


def sidecar(path: Path) -> Path | None:
    """The JSON file beside a CSV, which has no place for what its features depend on; else `None`."""
    return path.with_name(f"{path.name}.json") if check_output(path) == ".csv" else None


def open_writer(
    path: Path, provenance: Mapping[str, Any], columns: Mapping[str, Any] | None = None
) -> FeatureWriter:
    """Open a writer of the format that the suffix names, one of `FORMATS`.

    Parameters
    ----------
    path
        The file.
    provenance
        What the features depend on; all formats but ``.csv`` keep it.
    columns
        Further columns: name -> Arrow type, or `None` for text. Only Parquet keeps types.

    Raises
    ------
    UsageError
        For another suffix, or one whose library is not installed.
    """
    kind = check_output(path)
    if kind == ".npz":
        return NpzWriter(path, provenance, columns or ())
    if kind == ".csv":
        return CsvWriter(path, columns or ())
    if kind == ".mat":
        from sigzoo.data.mat_files import MatWriter

        return MatWriter(path, provenance, columns or ())
    from sigzoo.data.parquet_files import ParquetWriter

    return ParquetWriter(path, provenance, columns)


def plain_text(value: Any) -> str:
    """A value of a further column as text: an Arrow scalar as what it holds, nothing as an empty text."""
    value = value.as_py() if hasattr(value, "as_py") else value
    return "" if value is None else str(value)


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


class _TextSpool:
    """Texts that wait on disk until the longest is known, then one array of text."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by its owner
        self._longest = 1

    def add(self, text: str) -> None:
        """Add a text; a zero letter, which numpy's text cannot end with, becomes U+FFFD."""
        text = text.replace("\0", "\ufffd")
        self._longest = max(self._longest, len(text))
        self._file.write(text.encode("utf-8", "surrogateescape") + b"\0")

    def write(self, archive: ArrayWriter, name: str, count: int) -> None:
        """Write all texts as an array."""
        text = f"<U{self._longest}"
        with archive.open(name, text, (count,)) as member:
            texts = self._read()
            while block := list(islice(texts, 4096)):
                member.write(np.array(block, dtype=text).tobytes())

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def _read(self) -> Iterator[str]:
        """The texts again, in order, a block of the file at a time."""
        self._file.seek(0)
        rest = b""
        while block := self._file.read(1 << 16):
            *whole, rest = (rest + block).split(b"\0")
            yield from (name.decode("utf-8", "surrogateescape") for name in whole)


_COLUMN = re.compile(r"[\w .+-]{1,100}")


class NpzWriter:
    """Writes ``features`` float32 ``(N, ...)``, ``files`` (text), and what they depend on by its names.

    Texts and numbers are arrays without axes; options are JSON. A further column is text, ``column_NAME``.

    Raises
    ------
    UsageError
        If the name of a further column cannot be that of an array.
    """

    def __init__(self, path: Path, provenance: Mapping[str, Any], columns: Iterable[str] = ()) -> None:
        for name in columns:
            if not _COLUMN.fullmatch(name):
                raise UsageError(
                    f"{path}: a column {name!r} cannot be an array of an .npz: letters, digits, spaces and"
                    " . + - _ can; rename it, or write .parquet."
                )
        self._path = path
        self._labels = {
            name: np.array(json.dumps(value) if isinstance(value, dict) else value)
            for name, value in provenance.items()
        }
        self._count = 0
        self._shape: tuple[int, ...] = (0,)
        self._rows: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 closed in __exit__
        self._names = _TextSpool(path.parent)
        self._columns = {name: _TextSpool(path.parent) for name in columns}

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32], columns: Mapping[str, Any] | None = None) -> None:
        """Add the features of one image, and its further columns."""
        check_shape(file, features.shape, self._shape if self._count else None)
        self._shape = features.shape
        self._count += 1
        self._names.add(file)
        for name, spool in self._columns.items():
            spool.add(plain_text((columns or {})[name]))
        self._rows.write(np.ascontiguousarray(features, dtype="<f4").data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._rows)
            for spool in (self._names, *self._columns.values()):
                stack.callback(spool.close)
            if kind is None:
                self._assemble()

    def _assemble(self) -> None:
        self._rows.seek(0)
        with ArrayWriter(self._path) as archive:
            with archive.open("features", "<f4", (self._count, *self._shape)) as member:
                shutil.copyfileobj(self._rows, member, 1 << 20)
            self._names.write(archive, "files", self._count)
            for name, spool in self._columns.items():
                spool.write(archive, f"column_{name}", self._count)
            for name, array in self._labels.items():
                archive.add(name, array)


class CsvWriter:
    """Writes a header ``file,f0,f1,...``, further columns before f0, and a line an image, flattened."""

    def __init__(self, path: Path, columns: Iterable[str] = ()) -> None:
        self._columns = tuple(columns)
        self._file = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        self._csv = csv.writer(self._file)
        self._shape: tuple[int, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32], columns: Mapping[str, Any] | None = None) -> None:
        """Add the features of one image, and its further columns."""
        check_shape(file, features.shape, self._shape)
        flat = features.ravel()
        if self._shape is None:
            heads = ["file", *self._columns, *(f"f{index}" for index in range(flat.size))]
            self._csv.writerow([_cell(head) for head in heads])
            self._shape = features.shape
        values = [plain_text((columns or {})[name]) for name in self._columns]
        self._csv.writerow([*map(_cell, [file, *values]), *flat.astype(str)])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def _cell(text: str) -> str:
    """A text that no spreadsheet runs as a formula: an apostrophe goes before what would begin one."""
    begins = text.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{text}" if begins and not _NUMBER.fullmatch(text) else text
