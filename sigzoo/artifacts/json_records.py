"""Small JSON files of the cache: read with care, written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import append, make_folder, new_file, storage_errors
from sigzoo.artifacts.lock import locked
from sigzoo.errors import ArtifactError

__all__ = ["read_json", "read_record", "sweep", "update_json", "write_json"]

_BESIDE = ".new"
_LARGEST = 16 << 20
"""Bytes; the provenance of a run of a thousand epochs takes a fiftieth."""


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that a reader sees the old one or the new one, never half.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_BESIDE}")
    with storage_errors(path):
        try:
            with new_file(beside) as file:
                append(file, path, text.encode())
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise


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
    write_atomically(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


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
    for stray in folder.glob(f".{name}*{_BESIDE}"):
        with suppress(OSError):
            stray.unlink()


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
