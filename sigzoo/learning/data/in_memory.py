"""The training data in memory: preprocessed signatures, whose they are, and which are forged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError
from sigzoo.interfaces import GreyImage, Size

__all__ = ["ImageSet", "Item", "TrainingData", "collect"]


class ImageSet(Protocol):
    """N preprocessed signatures, wherever they are kept."""

    @property
    def writers(self) -> NDArray[np.int64]:
        """``(N,)``: whose they are, or claim to be, by number."""

    @property
    def forged(self) -> NDArray[np.int64]:
        """``(N,)``: 0 genuine, 1 forgery."""

    @property
    def labels(self) -> Mapping[str, NDArray[np.int64]]:
        """Further labels ``(N,)`` by name."""

    @property
    def white(self) -> float:
        """The largest value of a pixel: 255, or 1 for images in floating point."""

    def __len__(self) -> int: ...

    def digest(self) -> str:
        """A SHA-256 over everything, to tell whether a resumed run has the same data."""

    def smallest(self) -> Size:
        """Least height and least width."""

    def largest(self) -> Size:
        """Greatest height and greatest width."""

    def batch(self, indices: NDArray[np.int64], minimum: Size = (1, 1)) -> NDArray[Any]:
        """Copy some images: ``(n, 1, H, W)``, uint8 or float32 from 0 to `white`."""


class Item(NamedTuple):
    """One preprocessed signature, as a source gives it."""

    image: GreyImage
    """uint8 ``(h, w)``, ink bright on 0."""
    writer: int | str
    """Whose signature it is or claims to be, as the source names people."""
    forged: bool
    labels: Mapping[str, int] = {}
    """Further labels, by name; the same names for all signatures."""


@dataclass(frozen=True)
class TrainingData:
    """N signatures of W writers; images may differ in size."""

    pixels: NDArray[np.uint8]
    """All images one after the other, each row by row."""
    sizes: NDArray[np.int64]
    """``(N, 2)``: height and width."""
    writers: NDArray[np.int64]
    """``(N,)``, from 0 to W - 1."""
    forged: NDArray[np.int64]
    """``(N,)``: 0 genuine, 1 forgery."""
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Further labels ``(N,)`` by name, each numbered from 0."""

    white = 255.0
    """The largest value of a pixel."""

    def __len__(self) -> int:
        return len(self.writers)

    @property
    def writer_count(self) -> int:
        """W."""
        return int(self.writers.max()) + 1

    def without_forgeries(self) -> NDArray[np.int64]:
        """Indices of the genuine signatures."""
        return np.flatnonzero(self.forged == 0)

    def digest(self) -> str:
        """A SHA-256 over everything, to tell whether a resumed run has the same data."""
        found = hashlib.sha256()
        for array in (self.pixels, self.sizes, self.writers, self.forged):
            found.update(np.ascontiguousarray(array).data)
        for name, values in sorted(self.labels.items()):
            found.update(name.encode())
            found.update(np.ascontiguousarray(values).data)
        return found.hexdigest()

    def smallest(self) -> Size:
        """Least height and least width."""
        return int(self.sizes[:, 0].min()), int(self.sizes[:, 1].min())

    def largest(self) -> Size:
        """Greatest height and greatest width."""
        return int(self.sizes[:, 0].max()), int(self.sizes[:, 1].max())

    def batch(self, indices: NDArray[np.int64], minimum: Size = (1, 1)) -> NDArray[np.uint8]:
        """Copy some images: uint8 ``(n, 1, H, W)``, each in the middle of the largest's size.

        Parameters
        ----------
        indices
            Which.
        minimum
            Least H and W; what an image does not fill is 0, as the background is.
        """
        sizes = self.sizes[indices]
        height, width = (max(int(sizes[:, axis].max()), minimum[axis]) for axis in (0, 1))
        out = np.zeros((len(indices), 1, height, width), np.uint8)
        for row, index, (h, w) in zip(out, indices, sizes, strict=True):
            top, left = (height - h) // 2, (width - w) // 2
            row[0, top : top + h, left : left + w] = self.image(int(index))
        return out

    def image(self, index: int) -> GreyImage:
        """One image, a view."""
        starts = self._starts()
        h, w = self.sizes[index]
        return self.pixels[starts[index] : starts[index] + h * w].reshape(h, w)

    def _starts(self) -> NDArray[np.int64]:
        # Computed once; a frozen dataclass keeps it beside its fields.
        found: NDArray[np.int64] | None = self.__dict__.get("_offsets")
        if found is None:
            areas = self.sizes.prod(axis=1)
            found = np.cumsum(areas) - areas
            self.__dict__["_offsets"] = found
        return found


def collect(items: Iterable[Item], source: str | Path) -> TrainingData:
    """Put signatures together, and number the writers from 0 in the order of their names.

    Raises
    ------
    DataError
        If there are fewer than 2 writers with genuine signatures, or a writer has only forgeries.
    """
    images: list[NDArray[np.uint8]] = []
    sizes: list[tuple[int, int]] = []
    names: list[int | str] = []
    forged: list[int] = []
    labels: list[Mapping[str, int]] = []
    for item in items:
        images.append(np.ascontiguousarray(item.image).reshape(-1))
        sizes.append((item.image.shape[0], item.image.shape[1]))
        names.append(item.writer)
        forged.append(int(item.forged))
        labels.append(item.labels)
    people = sorted(set(names), key=lambda name: (isinstance(name, str), name))
    genuine = {name for name, false in zip(names, forged, strict=True) if not false}
    if len(genuine) < 2:
        raise DataError(
            f"{source}: training tells writers apart and needs at least 2 with genuine signatures;"
            f" there are {len(genuine)} ({len(images)} images)."
        )
    lonely = [str(name) for name in people if name not in genuine]
    if lonely:
        raise DataError(
            f"{source}: only forgeries, no genuine signature, of writer {', '.join(lonely[:5])}"
            f"{' and others' if len(lonely) > 5 else ''}."
        )
    number = {name: index for index, name in enumerate(people)}
    return TrainingData(
        pixels=np.concatenate(images),
        sizes=np.array(sizes, np.int64),
        writers=np.array([number[name] for name in names], np.int64),
        forged=np.array(forged, np.int64),
        labels={name: np.array([each[name] for each in labels], np.int64) for name in labels[0]},
    )
