"""Writes what became of a shard's images: into a Parquet file, or a .mat file each."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.terminal import safe_text
from sigzoo.data.mat_files import write_vector
from sigzoo.data.parquet_files import ParquetWriter
from sigzoo.errors import SigzooError, UsageError
from sigzoo.jobs.places import Place
from sigzoo.jobs.shards import Shard

__all__ = ["MatFiles", "ShardDone", "ShardWriter", "check_mat_names"]


@dataclass(frozen=True)
class ShardDone:
    """What became of a shard."""

    number: int
    """Its place among the shards."""
    images: int
    """How many images it was of."""
    embedded: int
    """How many have features."""
    skipped: int
    """How many could not be used."""


class ShardWriter:
    """Takes what became of each image of a shard, in order."""

    def __init__(self, shard: Shard, files: ParquetWriter | MatFiles, shape: tuple[int, ...] | None) -> None:
        self.shard, self.place, self._files = shard, 0, files
        self.skipped: list[dict[str, Any]] = []
        if shape is not None:
            files.shape = shape

    def add(self, features: NDArray[np.float32] | None, error: SigzooError | None = None) -> None:
        """Add the next image: its features, float32 of any shape, or why it has none."""
        shard, place = self.shard, self.place
        name = shard.names[place]
        if features is None:
            kind = type(error).__name__
            self.skipped.append(
                {"index": shard.start + place, "path": name, "kind": kind, "error": str(error)}
            )
        else:
            self._files.add(name, features, {key: each[place] for key, each in shard.columns.items()})
        self.place = place + 1

    @property
    def done(self) -> ShardDone:
        """How many there were of each."""
        return ShardDone(self.shard.number, self.place, self.place - len(self.skipped), len(self.skipped))


class MatFiles:
    """Writes a .mat an image."""

    def __init__(self, place: Place) -> None:
        self._place, self.shape = place, None

    shape: tuple[int, ...] | None

    def add(self, file: str, features: NDArray[np.float32], columns: Mapping[str, Any] | None = None) -> None:
        """Write the features of one image."""
        content = io.BytesIO()
        write_vector(content, features)
        self._place.write(f"{_mat_name(file)}.mat", content.getvalue())


def _mat_name(file: str) -> str:
    """What the .mat of an image is called, without the suffix: as the image, without its folder."""
    return PurePosixPath(file.replace("\\", "/")).stem


def check_mat_names(shard: Shard, taken: dict[str, str]) -> None:
    """Refuse a shard of which an image would have a .mat that another has.

    Parameters
    ----------
    shard
        The next one.
    taken
        Names of those before it, to which its own are added: of the .mat -> of the image.

    Raises
    ------
    UsageError
        Names both images.
    """
    for name in shard.names:
        other = taken.setdefault(_mat_name(name), name)
        if other != name or _mat_name(name)[:1] in ("", "_", "."):
            raise UsageError(
                f"{safe_text(name)}: cannot have a .mat of its own name beside {safe_text(other)}, or begins"
                " with _ or a point; rename it, or write Parquet."
            )
