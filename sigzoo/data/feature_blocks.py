"""Features that `sigzoo embed` wrote, in blocks of rows: npz, Parquet, and folders of Parquet shards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.messages import listed
from sigzoo.common.terminal import safe_text
from sigzoo.data.npz import open_npz
from sigzoo.data.parquet_files import PREFIX, Table, open_table
from sigzoo.data.stored_features import PROVENANCE, read_provenance
from sigzoo.errors import DataError, UsageError

__all__ = ["FeatureBlock", "FeatureFiles", "find_feature_files"]

_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class FeatureBlock:
    """Some rows of a file of features."""

    features: NDArray[np.float32]
    """``(n, D)``, finite."""
    files: list[str]
    """The images they are of."""
    columns: Mapping[str, list[Any]]
    """Further columns of the manifest, as Python's values."""


@dataclass(frozen=True)
class FeatureFiles:
    """Files of features that belong together.

    Attributes
    ----------
    paths
        The files, in order.
    provenance
        What all of them depend on: ``model``, ``layer``, ``weights_sha256``, ``preprocessor``,
        ``preprocessor_options``, ``input_scale``.
    count
        Rows of all files.
    size
        Numbers of a row.
    """

    paths: tuple[Path, ...]
    provenance: Mapping[str, Any]
    count: int
    size: int

    def blocks(self) -> Iterator[FeatureBlock]:
        """All rows, in order, a few megabytes at a time.

        Raises
        ------
        DataError
            If a file is damaged, or features are not finite.
        """
        rows = max(1, _BLOCK_BYTES // (4 * self.size))
        for path in self.paths:
            blocks = _npz_blocks if path.suffix.lower() == ".npz" else _parquet_blocks
            for block in blocks(path, rows):
                if not np.isfinite(block.features).all():
                    raise DataError(f"{safe_text(path)}: holds features that are not finite.")
                yield block


def find_feature_files(places: Iterable[Path]) -> FeatureFiles:
    """Look at files and folders of features, of which nothing but their heads is read.

    Parameters
    ----------
    places
        ``.npz``, ``.parquet``, and folders of Parquet shards.

    Raises
    ------
    UsageError
        If there is none, a suffix is another, or a folder is of a job that is not finished.
    DataError
        If one holds no features of `sigzoo embed`, or depends on something else than the first.
    """
    paths = [path for place in places for path in _expanded(place)]
    if not paths:
        raise UsageError("There are no features: name .npz or .parquet files, or folders of shards.")
    count, size, first = 0, 0, dict[str, Any]()
    for path in paths:
        rows, width, provenance = _head(path)
        if not first:
            first, size = provenance, width
        differing = [key.replace("_", " ") for key in first if provenance[key] != first[key]]
        differing += ["size"] * (width != size)
        if differing:
            raise DataError(
                f"{safe_text(path)}: its features are of another {' and '.join(differing)} than those of"
                f" {safe_text(paths[0])}; they do not go together."
            )
        count += rows
    return FeatureFiles(tuple(paths), first, count, size)


def _expanded(place: Path) -> list[Path]:
    if not place.is_dir():
        if place.suffix.lower() not in (".npz", ".parquet"):
            raise UsageError(
                f"{safe_text(place)}: features are read from .npz and .parquet, and folders of it."
            )
        return [place]
    if (place / "_job.json").exists() and not (place / "_done.json").exists():
        raise UsageError(
            f"{safe_text(place)}: the job that fills this folder is not finished; finish it with"
            " `sigzoo embed ... --resume` first."
        )
    found = sorted(path for path in place.glob("*.parquet") if not path.name.startswith((".", "_")))
    if not found:
        raise UsageError(f"{safe_text(place)}: there is no .parquet in it.")
    return found


def _head(path: Path) -> tuple[int, int, dict[str, Any]]:
    """Rows, numbers of a row, and what they depend on."""
    if path.suffix.lower() == ".npz":
        with open_npz(path) as file:
            provenance = read_provenance(file, safe_text(path))
            shape = file["features"].shape
            if file["features"].dtype != np.float32 or len(shape) < 2 or not all(shape[1:]):
                raise DataError(f"{safe_text(path)}: its features are no float32, a row an image.")
            return shape[0], int(np.prod(shape[1:])), provenance
    with open_table(path) as table:
        return table.rows, _width(table), _labels(table)


def _width(table: Table) -> int:
    names = table.schema.names
    missing = [name for name in ("path", "features") if name not in names]
    if missing:
        raise DataError(
            f"{table.name}: holds no features of `sigzoo embed`: there is no column {listed(missing)}."
        )
    kind = table.schema.field("features").type
    size = getattr(kind, "list_size", 0)
    if size < 1 or str(kind.value_type) != "float":
        raise DataError(f"{table.name}: its features are {kind}, expected a fixed-size list of float32.")
    return int(size)


def _labels(table: Table) -> dict[str, Any]:
    labels = table.labels
    missing = [name for name in PROVENANCE if name not in labels]
    if missing:
        raise DataError(
            f"{table.name}: does not say what its features depend on (there is no {PREFIX}{missing[0]} in its"
            " schema); only features of `sigzoo embed` can be used."
        )
    try:
        options, scale = json.loads(labels["preprocessor_options"]), float(labels["input_scale"])
    except (ValueError, RecursionError) as error:
        raise DataError(f"{table.name}: what its schema says of the preprocessing is damaged.") from error
    texts = {name: labels[name] for name in PROVENANCE}
    return {**texts, "preprocessor_options": options, "input_scale": scale}


def _npz_blocks(path: Path, rows: int) -> Iterator[FeatureBlock]:
    shown = safe_text(path)
    with open_npz(path) as file:
        features, files = file["features"], file["files"]
        if files.dtype.kind != "U" or files.shape != (features.shape[0],):
            raise DataError(f"{shown}: it does not name each of its {features.shape[0]} images.")
        columns = {
            name.removeprefix("column_"): file[name]
            for name in file.names
            if name.startswith("column_") and file[name].shape == files.shape
        }
        for start in range(0, features.shape[0], rows):
            stop = min(start + rows, features.shape[0])
            block = features.rows(start, stop).reshape(stop - start, -1)
            others = {name: array.rows(start, stop).tolist() for name, array in columns.items()}
            yield FeatureBlock(block, files.rows(start, stop).tolist(), others)


def _parquet_blocks(path: Path, rows: int) -> Iterator[FeatureBlock]:
    with open_table(path) as table:
        names = [name for name in table.schema.names if name not in ("path", "features")]
        width = _width(table)
        for batch in table.batches(["path", *names, "features"], rows):
            column = batch.column("features")
            if column.null_count or column.flatten().null_count:
                raise DataError(f"{table.name}: some of its features are missing.")
            block = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
            others = {name: batch.column(name).to_pylist() for name in names}
            files = [str(name) for name in batch.column("path").to_pylist()]
            yield FeatureBlock(np.asarray(block, np.float32), files, others)
