"""Parquet: features written as they come with what they depend on, and tables read in blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.extras import import_extra
from sigzoo.common.terminal import safe_text
from sigzoo.data.feature_files import check_shape
from sigzoo.errors import DataError, SigzooError

__all__ = ["PREFIX", "ParquetWriter", "Table", "open_table", "schema_labels", "stored_labels"]

PREFIX = "sigzoo."
"""Begins the keys of a schema's metadata that are ours."""

SHAPE = "feature_shape"
"""Key of the shape of one image's features, as JSON: inner layers are flattened in the column."""

_ROW_GROUP_BYTES = 8 << 20
"""Features of a row group: what is held in memory before it is written."""


def schema_labels(provenance: Mapping[str, Any], shape: tuple[int, ...]) -> dict[bytes, bytes]:
    """A schema's metadata: ``sigzoo.NAME`` for all that features depend on, what is no text as JSON."""
    labels = {**provenance, SHAPE: list(shape)}
    return {
        f"{PREFIX}{name}".encode(): (value if isinstance(value, str) else json.dumps(value)).encode()
        for name, value in labels.items()
    }


def stored_labels(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """What `schema_labels` wrote, each as text."""
    start = PREFIX.encode()
    return {
        key[len(start) :].decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (metadata or {}).items()
        if key.startswith(start)
    }


class ParquetWriter:
    """Writes ``path`` (text), further columns and ``features`` (float32, a fixed-size list), a row an image.

    Parameters
    ----------
    file
        Where to, a path or a binary file.
    provenance
        What the features depend on, for the schema's metadata.
    columns
        Further columns: name -> Arrow type, or `None` for text.

    Raises
    ------
    UsageError
        If pyarrow is not installed.
    """

    def __init__(
        self, file: Path | IO[bytes], provenance: Mapping[str, Any], columns: Mapping[str, Any] | None = None
    ) -> None:
        self._arrow = import_extra("pyarrow", "parquet", "Parquet")
        self._parquet = import_extra("pyarrow.parquet", "parquet", "Parquet")
        self._file, self._provenance = file, dict(provenance)
        self._types = {
            name: self._arrow.string() if kind is None else kind for name, kind in (columns or {}).items()
        }
        self.shape: tuple[int, ...] | None = None
        self.count = 0
        self._writer: Any = None
        self._names: list[str] = []
        self._rows: list[NDArray[np.float32]] = []
        self._values: list[Mapping[str, Any]] = []
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def add(self, file: str, features: NDArray[np.float32], columns: Mapping[str, Any] | None = None) -> None:
        """Add the features of one image, float32 of any shape, and its values of the further columns.

        Raises
        ------
        UsageError
            If the features' shape is not that of the first.
        """
        check_shape(file, features.shape, self.shape)
        self.shape = features.shape
        self._names.append(_text(file))
        self._rows.append(features.reshape(-1))
        self._values.append(columns or {})
        self._held += features.nbytes
        self.count += 1
        if self._held >= _ROW_GROUP_BYTES:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrow, size = self._arrow, self._rows[0].size
        if self._writer is None:
            self._writer = self._opened(size)
        flat = arrow.array(np.concatenate(self._rows))
        arrays = [
            arrow.array(self._names, arrow.string()),
            *(arrow.array([row[name] for row in self._values], kind) for name, kind in self._types.items()),
            arrow.FixedSizeListArray.from_arrays(flat, size),
        ]
        self._writer.write_batch(arrow.record_batch(arrays, schema=self._writer.schema))
        self._names, self._rows, self._values, self._held = [], [], [], 0

    def _opened(self, size: int) -> Any:
        arrow = self._arrow
        fields = [
            arrow.field("path", arrow.string(), nullable=False),
            *(arrow.field(name, kind) for name, kind in self._types.items()),
            # The element is nullable by Arrow's own default: readers that infer a schema then agree with it.
            arrow.field("features", arrow.list_(arrow.float32(), size), nullable=False),
        ]
        schema = arrow.schema(fields, metadata=schema_labels(self._provenance, self.shape or (size,)))
        # Numbers of a network do not compress; texts do.
        packed = dict.fromkeys(("path", *self._types), "zstd")
        return self._parquet.ParquetWriter(
            self._file,
            schema,
            compression={**packed, "features.list.element": "none"},
            use_dictionary=[*self._types],
            write_statistics=["path", *self._types],
        )


def _text(name: str) -> str:
    r"""A name as Parquet can hold it: bytes that are no UTF-8 become ``\xe9``."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return name


class Table:
    """A Parquet file that is open for reading.

    Attributes
    ----------
    name
        What it is called in messages.
    """

    def __init__(self, opened: Any, name: str) -> None:
        self._file, self.name = opened, name

    @property
    def schema(self) -> Any:
        """Its Arrow schema."""
        return self._file.schema_arrow

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self._file.metadata.num_rows)

    @property
    def labels(self) -> dict[str, str]:
        """What its schema's metadata says of features."""
        return stored_labels(self.schema.metadata)

    def check_text(self, column: str) -> None:
        """Refuse a column that holds no text.

        Raises
        ------
        DataError
            If it does not.
        """
        kind = self.schema.field(column).type
        if str(kind) not in ("string", "large_string", "string_view"):
            raise DataError(f"{self.name}: its column {safe_text(column)!r} holds {kind}, expected text.")

    def batches(self, columns: Sequence[str], size: int) -> Iterator[Any]:
        """Some columns in blocks of at most `size` rows.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        with _damage(self.name):
            yield from self._file.iter_batches(batch_size=size, columns=list(columns), use_threads=False)


@contextmanager
def open_table(path: Path | IO[bytes], name: str | None = None) -> Iterator[Table]:
    """Open a Parquet file.

    Parameters
    ----------
    path
        The file, or one that is open in binary.
    name
        What it is called in messages; by default its path.

    Raises
    ------
    UsageError
        If pyarrow is not installed.
    DataError
        If it cannot be read, or is no Parquet file.
    """
    parquet = import_extra("pyarrow.parquet", "parquet", "Parquet")
    shown = name or safe_text(path)
    with _damage(shown):
        opened = parquet.ParquetFile(path, memory_map=False, pre_buffer=False)
    with opened:
        yield Table(opened, shown)


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """What pyarrow raises of a damaged file, as an error of ours that names it."""
    try:
        yield
    except SigzooError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise DataError(f"{name}: cannot be read: {error.strerror or error}.") from error
        raise DataError(f"{name}: is no Parquet file, or damaged: {_line(error)}.") from error
    except Exception as error:  # ArrowInvalid and its kin, MemoryError, UnicodeDecodeError, ...
        raise DataError(f"{name}: is no Parquet file, or damaged: {_line(error)}.") from error


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return safe_text(lines[0][:200]).rstrip(".")
