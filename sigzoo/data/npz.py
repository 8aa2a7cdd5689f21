"""Arrays of an ``.npz``, read in place where stored and in blocks where deflated."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any
from zipfile import ZIP_STORED

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.limits import (
    FREE_INFLATION,
    MAX_ARRAY,
    MAX_ARRAY_ROW,
    MAX_AXES,
    MAX_MEMBER_RATIO,
    MAX_NPY_HEADER,
)
from sigzoo.common.messages import listed
from sigzoo.common.zip_archives import data_offset, open_zip
from sigzoo.data.npz_sources import DeflatedSource, Source, StoredSource, spool
from sigzoo.errors import DataError

DEFLATE_LIMIT = 1032
"""No deflated byte yields more (RFC 1951: 258 bytes from 2 bits)."""

_HEADER = re.compile(
    r"\{'descr': (?P<descr>'[^']{1,24}'|\[.*\]), 'fortran_order': (?P<fortran>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,19}L?(?:, ?|,? ?(?=\))))*)\),? ?\}\s*"
)
_PLAIN = re.compile(r"'[<>|=](b1|[iu][1248]|f[248]|[US](?!0+')\d{1,5})'")


@dataclass(frozen=True)
class NpzArray:
    """One array of an `NpzFile`; reading it reads the file, nothing is kept."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: bool
    """Whether it lies uncompressed in the file."""

    where: str
    packed: int
    """Bytes that it takes in the file."""

    _column_major: bool
    _offset: int
    _source: Source

    @property
    def nbytes(self) -> int:
        """Size in bytes, uncompressed."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of one entry along the first axis."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def read(self) -> NDArray[Any]:
        """Read the whole array into memory.

        Returns
        -------
        array
            Of `shape` and `dtype`.

        Raises
        ------
        DataError
            If it takes more than `MAX_ARRAY`, or the file is damaged.
        """
        if self.nbytes > MAX_ARRAY:
            raise DataError(f"{self.where} takes {self.nbytes} bytes; read it by rows.")
        if self.nbytes > FREE_INFLATION and self.nbytes > MAX_MEMBER_RATIO * self.packed:
            raise DataError(f"{self.where} would inflate {self.packed} bytes to {self.nbytes}; refused.")
        flat = np.empty(prod(self.shape), self.dtype)
        if flat.nbytes:
            self._source.read_into(_bytes_of(flat), self._offset)
        return flat.reshape(self.shape, order="F" if self._column_major else "C")

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Read the entries ``start <= i < stop`` along the first axis, in one go.

        Parameters
        ----------
        start, stop
            As in a slice, neither below 0.

        Returns
        -------
        array
            Of shape ``(stop - start, ...)``.

        Raises
        ------
        DataError
            If there are none such, or the file is damaged.
        """
        self._check_rows()
        if not 0 <= start <= stop <= self.shape[0]:
            raise DataError(f"{self.where} has {self.shape[0]} entries, not {start} to {stop}.")
        found = np.empty((stop - start, *self.shape[1:]), self.dtype)
        if found.nbytes:
            self._source.read_into(_bytes_of(found), self._offset + start * self.row_bytes)
        return found

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Read some entries along the first axis, in the order asked for.

        Parameters
        ----------
        indices
            int64 ``(n,)``, none below 0; one may stand there twice.

        Returns
        -------
        array
            Of shape ``(n, ...)``.

        Raises
        ------
        DataError
            If there are none such, or the file is damaged.
        """
        self._check_rows()
        if indices.size and not 0 <= indices.min() <= indices.max() < self.shape[0]:
            raise DataError(f"{self.where} has {self.shape[0]} entries; an index lies outside.")
        found = np.empty((len(indices), *self.shape[1:]), self.dtype)
        if found.nbytes:
            for place in np.argsort(indices, kind="stable"):
                row = _bytes_of(found[place : place + 1])
                self._source.read_into(row, self._offset + int(indices[place]) * self.row_bytes)
        return found

    def memory_map(self) -> np.memmap[Any, Any]:
        """Map a stored array read-only; pages that are touched count as resident.

        Returns
        -------
        memmap
            Of `shape` and `dtype`.

        Raises
        ------
        DataError
            If the array is compressed.
        """
        if not self.stored or not isinstance(self._source, StoredSource):
            raise DataError(f"{self.where} is compressed and cannot be mapped; read it by rows.")
        order = "F" if self._column_major else "C"
        at = self._source.start + self._offset
        return np.memmap(self._source.file.name, self.dtype, "r", at, self.shape, order)  # type: ignore[call-overload, no-any-return]

    def _check_rows(self) -> None:
        if not self.shape or self.row_bytes > MAX_ARRAY_ROW:
            raise DataError(
                f"{self.where} of shape {self.shape} {self.dtype} has no rows of a sensible size."
            )
        if self._column_major and len(self.shape) > 1:
            raise DataError(
                f"{self.where} is stored column by column (Fortran order); save it again after "
                "numpy.ascontiguousarray."
            )


class NpzFile:
    """An ``.npz`` file, opened without reading its arrays and without ever unpickling.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DataError
        If it is missing, damaged, or its directory is hostile.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            what = "is a folder or device, not a file" if self.path.exists() else "there is no such file"
            raise DataError(f"{self.path}: {what}.")
        try:
            self._file = self.path.open("rb")
            self._raw = self.path.open("rb", buffering=0)
        except OSError as problem:
            raise DataError(f"{self.path}: cannot be read ({problem.strerror}).") from problem
        try:
            self._archive = open_zip(self._file, str(self.path), DataError)
        except BaseException:
            self._file.close()
            self._raw.close()
            raise
        self._lock = Lock()
        self._members = {
            info.filename.removesuffix(".npy"): info
            for info in self._archive.infolist()
            if info.filename.endswith(".npy")
        }
        self._spooled: list[StoredSource] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays, in the order of the file."""
        return tuple(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> NpzArray:
        """Look at one array: its header is read and compared with the size of its data.

        Raises
        ------
        DataError
            If there is none such, its header is not valid, or it holds Python objects.
        """
        if name not in self._members:
            raise DataError(
                f"{self.path}: no array {name!r:.80}; it holds {listed(self._members) or 'none'}."
            )
        info = self._members[name]
        where = f"{self.path}: array {name!r:.60}"
        if info.file_size > DEFLATE_LIMIT * max(info.compress_size, 1):
            raise DataError(
                f"{where} declares {info.file_size} bytes from {info.compress_size}, which no compression "
                "yields; refused."
            )
        source: Source
        if info.compress_type == ZIP_STORED:
            start = data_offset(self._file, info, str(self.path), DataError)
            source = StoredSource(self._raw, start, self._lock, where)
        else:
            source = DeflatedSource(self._archive, info, where)
        shape, dtype, column_major, offset = _read_header(source, info.file_size, where)
        stored = info.compress_type == ZIP_STORED
        return NpzArray(name, shape, dtype, stored, where, info.compress_size, column_major, offset, source)

    def unpacked(self, name: str) -> NpzArray:
        """Like indexing, but fit for reading in any order.

        A compressed array is unpacked once to an unnamed temporary file beside this one (or where
        temporary files go), which vanishes with this object.

        Parameters
        ----------
        name
            Of the array.

        Returns
        -------
        NpzArray
            The same array.

        Raises
        ------
        DataError
            As for indexing, or if there is no space.
        """
        array = self[name]
        if array.stored:
            return array
        spooled = spool(array._source, self._members[name].file_size, self.path.parent, array.where)
        self._spooled.append(spooled)
        return replace(array, stored=False, _source=spooled)

    def close(self) -> None:
        """Close the file; its arrays cannot be read any more."""
        for source in self._spooled:
            source.file.close()
        self._archive.close()
        self._file.close()
        self._raw.close()

    def __enter__(self) -> NpzFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_npz(path: str | os.PathLike[str]) -> NpzFile:
    """Open an ``.npz`` file in place; see `NpzFile`.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    NpzFile
        To be closed, or used in a ``with`` block.

    Raises
    ------
    DataError
        If it is missing, damaged, or its directory is hostile.
    """
    return NpzFile(path)


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one array of numbers from an ``.npy`` file; nothing is unpickled.

    Raises
    ------
    DataError
        If it cannot be read, holds anything but plain numbers or texts, is not what its header says, or
        takes more than `MAX_ARRAY`.
    """
    where = str(path)
    try:
        if not Path(path).is_file():
            raise DataError(f"{where}: there is no such file.")
        with Path(path).open("rb", buffering=0) as file:
            source = StoredSource(file, 0, Lock(), where)
            size = os.fstat(file.fileno()).st_size
            shape, dtype, column_major, offset = _read_header(source, size, where)
            return NpzArray(
                Path(path).name, shape, dtype, True, where, size, column_major, offset, source
            ).read()
    except OSError as problem:
        raise DataError(f"{where}: cannot be read ({problem.strerror or problem}).") from problem


def _read_header(source: Source, size: int, where: str) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    """Shape, dtype, column-major or not, and where the data begin."""
    start = bytearray(min(size, 12))
    source.read_into(memoryview(start), 0)
    if len(start) < 12 or start[:6] != b"\x93NUMPY" or bytes(start[6:8]) not in (b"\1\0", b"\2\0", b"\3\0"):
        raise DataError(f"{where} is no numpy array; the file is damaged or of another kind.")
    short = start[6] == 1
    begin = 10 if short else 12
    length = struct.unpack_from("<H" if short else "<L", start, 8)[0]
    if length > MAX_NPY_HEADER or begin + length > size:
        raise DataError(f"{where} declares a header of {length} bytes; refused.")
    text = bytearray(length)
    source.read_into(memoryview(text), begin)
    # A pattern in place of numpy's literal_eval: a header is data, whatever it contains.
    found = _HEADER.fullmatch(text.decode("latin-1"))
    if found is None:
        raise DataError(f"{where} has a header that numpy does not write ({bytes(text[:60])!r}); refused.")
    return *_layout(found, size - begin - length, where), begin + length


def _layout(found: re.Match[str], size: int, where: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    descr = found["descr"]
    if "O" in descr and not descr.startswith("["):
        raise DataError(
            f"{where} holds Python objects (pickled), which could run code; refused. "
            "Save it again as numbers or text."
        )
    if _PLAIN.fullmatch(descr) is None:
        raise DataError(f"{where} has the dtype {descr:.60}; only plain numbers and texts are read.")
    dtype = np.dtype(descr.strip("'"))
    shape = tuple(int(number.rstrip("L")) for number in re.split(r", ?", found["shape"]) if number)
    if len(shape) > MAX_AXES:
        raise DataError(f"{where} has {len(shape)} axes; refused.")
    if prod(shape) * dtype.itemsize != size:
        raise DataError(f"{where} declares shape {shape} {dtype} but has {size} bytes; it is damaged.")
    return shape, dtype, found["fortran"] == "True"


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
