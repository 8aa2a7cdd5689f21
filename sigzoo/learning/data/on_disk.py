"""Preprocessed signatures that stay in their ``.npz``: read by position when a batch needs them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.data import SignatureData
from sigzoo.errors import DataError
from sigzoo.interfaces import Size

__all__ = ["StoredData"]


class StoredData:
    """N preprocessed signatures of one size, never cropped, scaled or rounded.

    Parameters
    ----------
    path
        An ``.npz`` with ``x`` ``(N, 1, H, W)``, uint8 or floating point from 0 to 1, and ``y``.

    Attributes
    ----------
    numbers
        int64 ``(N,)``: ``y`` as the file has it.
    writers
        int64 ``(N,)``: the labels' places in their order, from 0, until somebody numbers them otherwise.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SignatureData(path)
        self.path = Path(path)
        self.numbers = self._file.y
        self.writers: NDArray[np.int64] = np.unique(self.numbers, return_inverse=True)[1].astype(np.int64)
        forged = np.zeros(len(self._file), bool) if self._file.yforg is None else self._file.yforg != 0
        self.forged: NDArray[np.int64] = forged.astype(np.int64)
        self.labels: Mapping[str, NDArray[np.int64]] = {}
        self.white = self._file.pixel_range[1]

    def __len__(self) -> int:
        return len(self._file)

    @property
    def is_floating(self) -> bool:
        """Whether the images are in floating point, as inverted data are."""
        return self._file.dtype.kind == "f"

    def digest(self) -> str:
        """A SHA-256 over the file and how its writers are numbered."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}.") from error
        found.update(np.ascontiguousarray(self.writers).data)
        return found.hexdigest()

    def smallest(self) -> Size:
        """The size of every image."""
        return self._file.shape[2:]

    def largest(self) -> Size:
        """The size of every image."""
        return self._file.shape[2:]

    def batch(self, indices: NDArray[np.int64], minimum: Size = (1, 1)) -> NDArray[Any]:
        """Read some images: uint8 or float32 ``(n, 1, H, W)``, with background around to the least size.

        Raises
        ------
        DataError
            If the file is damaged or holds values that are not finite.
        """
        images = self._file.images(indices)
        images = images if images.dtype == np.uint8 else images.astype(np.float32, copy=False)
        (height, width), (least_height, least_width) = self.smallest(), minimum
        if height >= least_height and width >= least_width:
            return images
        out_height, out_width = max(height, least_height), max(width, least_width)
        out = np.zeros((len(images), 1, out_height, out_width), images.dtype)
        top, left = (out_height - height) // 2, (out_width - width) // 2
        out[:, :, top : top + height, left : left + width] = images
        return out

    def close(self) -> None:
        """Close the file."""
        self._file.close()
