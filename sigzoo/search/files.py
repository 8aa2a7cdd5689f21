"""The files of an index: which there are, what each holds, and reading them with every size checked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError

__all__ = ["ENTRIES", "LISTS", "MANIFEST", "OFFSETS", "ROWS", "VECTORS", "ArrayFile", "Entries"]

MANIFEST = "index.json"
"""What the index is of, and the sizes of the other files."""
VECTORS = "vectors.f32"
"""float32 ``(N, D)``: what is compared; with lists, list after list."""
ENTRIES = "entries.jsonl"
"""A line an image, in the order of the features: ``path`` and the further columns."""
OFFSETS = "entries.i64"
"""int64 ``(N + 1,)``: where each line begins, and the end."""
ROWS = "rows.i64"
"""int64 ``(N,)``, only with lists: which image each vector is of."""
LISTS = "lists.i64"
"""int64 ``(L + 1,)``, only with lists: where in the vectors each list begins, and the end."""
CENTROIDS = "centroids.f32"
"""float32 ``(L, D)``, only with lists: what decides in which list a vector is."""

_MAX_ENTRY = 1 << 16


class ArrayFile:
    """Rows of numbers in a file without a header, little-endian, read and written by place.

    Not mapped into memory: what is read counts as the process's own only while it is used.

    Parameters
    ----------
    path
        The file.
    dtype
        Of the numbers.
    shape
        Of the whole array; the file must be exactly as large.

    Raises
    ------
    DataError
        If the file cannot be read, or is of another size.
    """

    def __init__(self, path: Path, dtype: str, shape: tuple[int, ...]) -> None:
        self.dtype, self.shape, self._shown = np.dtype(dtype), shape, safe_text(path)
        self._row_bytes = self.dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        self._file = _opened(path, shape[0] * self._row_bytes)

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Read the rows ``start <= i < stop``.

        Raises
        ------
        DataError
            If the file has become shorter, or cannot be read.
        """
        found = np.empty((stop - start, *self.shape[1:]), self.dtype)
        _fill(self._file, found.reshape(-1).view(np.uint8).data, start * self._row_bytes, self._shown)
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Entries:
    """What is known of each image: its path, and the further columns.

    Raises
    ------
    DataError
        If the files cannot be read, or do not fit each other.
    """

    def __init__(self, folder: Path, count: int, size: int) -> None:
        self._shown, self._size = safe_text(folder / ENTRIES), size
        self._offsets = ArrayFile(folder / OFFSETS, "<i8", (count + 1,))
        try:
            self._file = _opened(folder / ENTRIES, size)
        except BaseException:
            self._offsets.close()
            raise

    def __getitem__(self, row: int) -> dict[str, Any]:
        start, stop = (int(each) for each in self._offsets.rows(row, row + 2))
        if not 0 <= start < stop <= self._size or stop - start > _MAX_ENTRY:
            raise DataError(f"{self._shown}: the entry of image {row} lies where none can be; it is damaged.")
        line = bytearray(stop - start)
        _fill(self._file, memoryview(line), start, self._shown)
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
                raise ValueError("it has no path")
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self._shown}: the entry of image {row} is damaged ({error}).") from error
        return entry

    def close(self) -> None:
        """Close the files."""
        self._offsets.close()
        self._file.close()


def _opened(path: Path, size: int) -> IO[bytes]:
    """Open a file of exactly this size."""
    shown = safe_text(path)
    try:
        file = path.open("rb")
        found = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DataError(f"{shown}: cannot be read: {error.strerror or error}.") from error
    if found != size:
        file.close()
        raise DataError(f"{shown}: has {found:,} bytes, and {MANIFEST} says {size:,}; the index is damaged.")
    return file


def _fill(file: IO[bytes], buffer: memoryview, at: int, shown: str) -> None:
    done = 0
    try:
        while done < len(buffer):
            # By place, so that threads share the file.
            count = os.preadv(file.fileno(), [buffer[done:]], at + done)
            if not count:
                raise DataError(f"{shown}: ends early; the index is damaged, or is being replaced.")
            done += count
    except OSError as error:
        raise DataError(f"{shown}: cannot be read: {error.strerror or error}.") from error
