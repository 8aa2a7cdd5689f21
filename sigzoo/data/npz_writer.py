"""Writing an ``.npz`` array by array and block by block; the same arrays give the same bytes."""

from __future__ import annotations

import zipfile
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["ArrayWriter"]

# In place of the time of day, which would make every file another one.
_DATE = (1980, 1, 1, 0, 0, 0)


class ArrayWriter:
    """An ``.npz`` that is being written; numpy reads it as it does its own.

    Use it as a context manager: the archive's directory is written at the end.

    Parameters
    ----------
    file
        A path, or open for writing bytes.
    compressed
        Deflate the arrays, fast rather than well; else they can be read in place.
    """

    def __init__(self, file: Any, *, compressed: bool = False) -> None:
        method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        self._archive = zipfile.ZipFile(file, "w", method, compresslevel=1 if compressed else None)

    def open(self, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> IO[bytes]:
        """Begin an array whose values are then written to what is returned, which must be closed.

        Parameters
        ----------
        name
            Of the array.
        dtype, shape
            Of the whole array; its values follow in C order.
        """
        info = zipfile.ZipInfo(f"{name}.npy", _DATE)
        info.compress_type = self._archive.compression
        info._compresslevel = self._archive.compresslevel  # type: ignore[attr-defined]
        member = self._archive.open(info, "w", force_zip64=True)
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(member, header)
        return member

    def add(self, name: str, values: ArrayLike) -> None:
        """Write a whole array, of numbers or text."""
        array: NDArray[Any] = np.asarray(values)
        with self.open(name, array.dtype, array.shape) as member:
            # Through bytes, as text has no buffer of its own.
            member.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")

    def close(self) -> None:
        """Write the archive's directory; the file stays its owner's."""
        self._archive.close()

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
