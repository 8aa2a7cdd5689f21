"""Graphs that runtimes have made of networks, as files of the cache: listed, compared with their records.

What makes and uses them is `sigzoo.graphs.store`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import cache_home, is_folder, storage_errors
from sigzoo.artifacts.json_records import read_json
from sigzoo.common.digests import file_sha256
from sigzoo.errors import ArtifactError

__all__ = ["GRAPHS", "KeptGraphFile", "graphs_folder", "kept_graphs"]

GRAPHS = "graphs"
"""The name that all of them have together, as an artifact has one."""


def graphs_folder() -> Path:
    """Where graphs are kept."""
    return cache_home() / "graphs"


@dataclass(frozen=True)
class KeptGraphFile:
    """A graph, and what its record says of it."""

    path: Path
    size: int
    """In bytes."""
    sha256: str | None
    """As the record has it; `None` without a record that can be read."""
    source: str | None
    """What it was made of, for a reader."""

    def problem(self) -> str | None:
        """Read the file again and say why it will not be used, or `None`."""
        if self.sha256 is None:
            return "its record is missing or damaged"
        found = file_sha256(self.path, ArtifactError)
        return None if found == self.sha256 else f"sha256 is {found} instead of {self.sha256}"


def kept_graphs() -> Iterator[KeptGraphFile]:
    """Every graph of the cache; reads no graph's content.

    Raises
    ------
    StorageError
        If the folder cannot be read.
    """
    folder = graphs_folder()
    if not is_folder(folder):
        return
    with storage_errors(folder, doing="read"):
        paths = sorted(folder.glob("*.onnx"))
        sizes = [path.stat().st_size for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        record = read_json(path.with_suffix(".json")) or {}
        digest = record.get("sha256")
        known = isinstance(digest, str)
        yield KeptGraphFile(path, size, digest if known else None, _source(record) if known else None)


def _source(record: dict[str, Any]) -> str | None:
    """What a graph was made of: ``graph of tiny (embedding, int8)``."""
    try:
        layers = ", ".join(map(str, record["kind"]["layers"]))
        return f"graph of {record['network']['backbone']} ({layers}, {record['kind']['precision']})"
    except (KeyError, TypeError):
        return None
