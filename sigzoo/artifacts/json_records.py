"""Small JSON files of the cache: read with care, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import make_folder, storage_error
from sigzoo.artifacts.lock import locked
from sigzoo.common import atomic
from sigzoo.errors import ArtifactError

__all__ = ["read_json", "read_record", "sweep", "update_json", "write_json"]

_LARGEST = 16 << 20
"""Bytes; the provenance of a run of a thousand epochs takes a fiftieth."""


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a small JSON object; `None` where there is none or it is damaged, large or no file."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a small JSON object, atomically and readable for a person.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    make_folder(path.parent)
    atomic.write_json(path, value, sort_keys=True, failure=storage_error)


def update_json(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read, change and write a JSON object while no other process does.

    Raises
    ------
    ArtifactError
        If the file is there but damaged: what it recorded is not thrown away silently.
    StorageError
        If it cannot be written.
    """
    with locked(f"record-{path.name}"):
        sweep(path.parent, path.name)
        write_json(path, change(read_record(path)))


def sweep(folder: Path, name: str = "") -> None:
    """Remove what processes that were killed while writing records of that name have left.

    A stamp is written without a lock: one that is being written just now is lost, which only
    costs a hash.
    """
    atomic.remove_leftovers(folder, name)


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object that must not be lost; empty where there is no file.

    Raises
    ------
    ArtifactError
        If the file is there but damaged.
    """
    if not os.path.lexists(path):
        return {}
    found = read_json(path)
    if found is None:
        raise ArtifactError(f"{path} is damaged (not a JSON object). Mend it, or remove it to start anew.")
    return found
