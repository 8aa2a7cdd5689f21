"""Signatures in an ``.npz``: inverted data and data sets, as batches in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sigzoo.data.npz import NpzArray, NpzFile, open_npz
from sigzoo.errors import DataError, UsageError

MAX_IMAGES = 10_000_000
MAX_SIDE = 4_096
_PEEK = 16
_PEEK_BYTES = 4 << 20
_UNIT_LIMIT = 16.0


class DataBatch(NamedTuple):
    """Some signatures of a `SignatureData`."""

    x: NDArray[Any]
    """``(n, 1, H, W)``, in the file's values, never scaled."""

    y: NDArray[np.int64]
    """``(n,)``: writers, as the file numbers them."""

    yforg: NDArray[np.int64] | None
    """``(n,)``: 0 genuine, 1 skilled forgery, 2 simple forgery; `None` where the file has none."""


class SignatureData:
    """An ``.npz`` of signatures, read in place: ``x``, ``y`` and, in some, ``yforg``.

    The layout of sigver's data sets (``x`` uint8) and of the published inverted data (``x``
    float32). Use it as a context manager, or `close` it.

    Parameters
    ----------
    path
        The file.
    label_range
        Smallest and largest label allowed in ``y``.

    Raises
    ------
    DataError
        If the file is damaged, hostile, of another layout, or has a label outside `label_range`.
    """

    def __init__(self, path: str | os.PathLike[str], *, label_range: tuple[int, int] | None = None) -> None:
        self.path = Path(path)
        self._npz: NpzFile = open_npz(path)
        try:
            self._x = self._image_array()
            self._in_any_order: NpzArray | None = self._x if self._x.stored else None
            self.y = self._labels("y", label_range)
            self.yforg = self._labels("yforg", (0, 2)) if "yforg" in self._npz else None
            self.pixel_range, self._peeked = self._peek()
        except BaseException:
            self._npz.close()
            raise

    pixel_range: tuple[float, float]
    """``(0, 255)`` for uint8, ``(0, 1)`` for floating point on that scale."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(N, 1, H, W)``."""
        n, channels, height, width = self._x.shape
        return n, channels, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of ``x``, as stored."""
        return self._x.dtype

    @property
    def unit_scale(self) -> float:
        """Times this, the values of ``x`` are on the scale 0 to 1."""
        return 1.0 / self.pixel_range[1]

    def __len__(self) -> int:
        return self._x.shape[0]

    def describe(self) -> str:
        """Say in a line what the file holds, for people.

        Returns
        -------
        str
            Without a line break.
        """
        low, high = self._peeked
        scale = f"{self.dtype.name} on the scale 0 to {self.pixel_range[1]:g}"
        return (
            f"{len(self)} signatures of {self.shape[2]} x {self.shape[3]}, {scale} "
            f"(the first hold {low:g} to {high:g}), {len(np.unique(self.y))} writers ({self.y.min()} to "
            f"{self.y.max()}), {'stored' if self._x.stored else 'compressed'}"
        )

    @property
    def filenames(self) -> NDArray[np.str_] | None:
        """Names of the images, where the file has them.

        Raises
        ------
        DataError
            If they are Python objects.
        """
        return self._extra("filenames")

    @property
    def user_mapping(self) -> NDArray[Any] | None:
        """How the writers were numbered, where the file has it as numbers or text.

        Raises
        ------
        DataError
            If it is a Python object, as in sigver's files: those can only be unpickled.
        """
        return self._extra("user_mapping")

    def images(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Read some images: ``(n, 1, H, W)`` in the file's dtype, in the order asked for.

        The first call on a compressed file unpacks it to a temporary file.

        Parameters
        ----------
        indices
            int64 ``(n,)``.

        Returns
        -------
        array
            ``(n, 1, H, W)``, uint8 or floating point, as in the file.

        Raises
        ------
        DataError
            If an index lies outside, the file is damaged, or there is no space to unpack it.
        """
        if self._in_any_order is None:
            self._in_any_order = self._npz.unpacked("x")
        return self._checked(self._in_any_order.take(np.asarray(indices, np.int64)))

    def batches(
        self,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        dtype: DTypeLike | None = None,
        indices: NDArray[np.int64] | None = None,
        drop_last: bool = False,
    ) -> Iterator[DataBatch]:
        """Iterate over the signatures in constant memory.

        Parameters
        ----------
        batch_size
            Signatures in a batch; the last may have fewer.
        shuffle_seed
            `None` for the order of the file; else a permutation that depends on the seed alone, not
            on how the file is stored. A compressed file is unpacked to a temporary file first,
            which takes about ten seconds for a file of 1.7 GB, once.
        dtype
            Of ``x``; by default the file's. Values are cast, never scaled (see `unit_scale`).
        indices
            Only these signatures, in this order before shuffling.
        drop_last
            Leave out a last batch that is not full.

        Yields
        ------
        DataBatch
            ``x`` ``(B, 1, H, W)``, ``y`` and ``yforg`` int64 ``(B,)``.

        Raises
        ------
        UsageError
            If `batch_size` is not positive.
        DataError
            If the file is damaged or holds values that are not finite.
        """
        if batch_size < 1:
            raise UsageError(f"The batch size must be at least 1, not {batch_size}.")
        order = None if indices is None else np.asarray(indices, np.int64)
        if shuffle_seed is not None:
            order = np.arange(len(self), dtype=np.int64) if order is None else order
            order = np.random.default_rng(shuffle_seed).permutation(order)
        return self._batches(order, batch_size, dtype, drop_last)

    def _batches(
        self, order: NDArray[np.int64] | None, batch_size: int, dtype: DTypeLike | None, drop_last: bool
    ) -> Iterator[DataBatch]:
        # An iteration has a reader of its own: two of them would rewind each other's stream.
        in_sequence = self._npz["x"] if order is None else None
        count = len(self) if order is None else len(order)
        for start in range(0, count, batch_size):
            stop = min(start + batch_size, count)
            if drop_last and stop - start < batch_size:
                return
            if in_sequence is not None:
                chosen: Any = slice(start, stop)
                x = self._checked(in_sequence.rows(start, stop))
            else:
                chosen = order[start:stop] if order is not None else slice(0, 0)
                x = self.images(chosen)
            if dtype is not None:
                x = x.astype(dtype, copy=False)
            yield DataBatch(x, self.y[chosen], None if self.yforg is None else self.yforg[chosen])

    def close(self) -> None:
        """Close the file."""
        self._npz.close()

    def __enter__(self) -> SignatureData:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _image_array(self) -> NpzArray:
        array = self._npz["x"]
        shape = array.shape
        if len(shape) != 4 or shape[1] != 1 or not all(shape):
            raise DataError(f"{array.where} has shape {shape}, expected (N, 1, H, W).")
        if shape[0] > MAX_IMAGES or max(shape[2:]) > MAX_SIDE:
            raise DataError(
                f"{array.where} has shape {shape}: over {MAX_IMAGES} images or over {MAX_SIDE} pixels a side."
            )
        if array.dtype.kind not in "fu" or (array.dtype.kind == "u" and array.dtype.itemsize != 1):
            raise DataError(f"{array.where} is {array.dtype}, expected floating point 0..1 or uint8 0..255.")
        return array

    def _labels(self, name: str, allowed: tuple[int, int] | None) -> NDArray[np.int64]:
        array = self._npz[name]
        if array.shape != (len(self),) or array.dtype.kind not in "iuf":
            raise DataError(
                f"{array.where} has shape {array.shape} {array.dtype}, expected ({len(self)},) whole numbers."
            )
        found = array.read()
        with np.errstate(invalid="ignore"):
            labels = found.astype(np.int64, copy=False)
        wrong = (labels != found) if found.dtype.kind == "f" else (found > np.iinfo(np.int64).max)
        if allowed is not None:
            wrong |= (labels < allowed[0]) | (labels > allowed[1])
        if wrong.any():
            at = int(np.argmax(wrong))
            limits = f"whole numbers from {allowed[0]} to {allowed[1]}" if allowed else "whole numbers"
            more = f" (and {int(wrong.sum()) - 1} more)"
            raise DataError(f"{array.where}: label {found[at]} at {at}{more}; expected {limits}.")
        return labels

    def _peek(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The scale of the values, told from the first images, and their extremes."""
        count = min(_PEEK, 1 + _PEEK_BYTES // self._x.row_bytes, len(self))
        first = self._checked(self._npz["x"].rows(0, count))
        low, high = float(first.min()), float(first.max())
        if first.dtype.kind == "u":
            return (0.0, 255.0), (low, high)
        if low < -_UNIT_LIMIT or high > 2 * 255:
            raise DataError(f"{self.path}: array 'x' holds {low:g} to {high:g}; expected 0 to 1 or 0 to 255.")
        # Inverted images may overshoot 1 a little, an image of 0 to 255 is far above it.
        return (0.0, 255.0 if high > _UNIT_LIMIT else 1.0), (low, high)

    def _checked(self, x: NDArray[Any]) -> NDArray[Any]:
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise DataError(f"{self._x.where} holds values that are not finite.")
        return x

    def _extra(self, name: str) -> NDArray[Any] | None:
        return self._npz[name].read() if name in self._npz else None
