"""An ``.npz`` in sigver's layout as a data source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.digests import file_sha256
from sigzoo.common.parallel import ordered_map
from sigzoo.data import SignatureData
from sigzoo.errors import DataError, ImageError
from sigzoo.interfaces import GreyImage
from sigzoo.interfaces.data_sources import DataSource, SignatureSet

__all__ = ["NpzSignatures", "NpzSource"]

_AHEAD = 64
_SIMPLE = 2
"""In ``yforg``: a simple forgery."""


class NpzSignatures(SignatureSet):
    """The signatures of an ``.npz``; floating point becomes grey levels.

    Parameters
    ----------
    path
        The file, kept open until `close`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, SignatureData(path)
        forged = np.zeros(len(self._file), bool) if self._file.yforg is None else self._file.yforg != 0
        self.writers, self.forged = self._file.y.tolist(), forged
        if self._file.yforg is not None and (self._file.yforg == _SIMPLE).any():
            self.labels = {"simple": (self._file.yforg == _SIMPLE).astype(np.int64)}

    def read(self, index: int) -> GreyImage:
        """Read one image by its place."""
        image: GreyImage = _levels(self._file, self._file.images(np.array([index]))[:, 0])[0]
        return image

    def name(self, index: int) -> str:
        """The file, and the place in it."""
        return f"{self.path}: signature {index}"

    def prepared(
        self, prepare: Callable[[GreyImage], GreyImage], *, workers: int = 1
    ) -> Iterator[tuple[int, GreyImage]]:
        """Read the file from its beginning to its end, which is fastest where it is compressed."""

        def one(item: tuple[int, GreyImage]) -> tuple[int, GreyImage]:
            try:
                return item[0], prepare(item[1])
            except ImageError as error:
                raise ImageError(f"{self.name(item[0])}: {error}") from error

        images = (
            image for batch in self._file.batches(_AHEAD) for image in _levels(self._file, batch.x[:, 0])
        )
        yield from ordered_map(one, zip(count(), images, strict=False), ahead=_AHEAD)

    def digest(self) -> str:
        """The file's SHA-256."""
        return file_sha256(self.path, DataError)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class NpzSource(DataSource):
    """``x`` ``(N, 1, H, W)``, uint8 or floating point, ``y``, and ``yforg`` where there are forgeries."""

    example: ClassVar[str] = "an .npz"
    general: ClassVar[bool] = True

    def recognises(self, place: str) -> bool:
        """Whether it is a file of that suffix."""
        try:
            path = Path(place).expanduser()
            return path.suffix.lower() == ".npz" and path.is_file()
        except (OSError, ValueError, RuntimeError):
            return False

    def open(self, place: str) -> NpzSignatures:
        """Open the file.

        Raises
        ------
        DataError
            If it is damaged, or of another layout.
        """
        return NpzSignatures(Path(place).expanduser())


def _levels(file: SignatureData, images: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Images ``(n, H, W)`` as grey levels."""
    if images.dtype == np.uint8:
        return np.asarray(images, np.uint8)
    scaled = images.astype(np.float64) * (255.0 * file.unit_scale)
    levels: NDArray[np.uint8] = np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8)
    return levels
