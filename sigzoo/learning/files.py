"""Writing a run's files: each whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sigzoo.errors import SigzooError

__all__ = ["whole_file", "write_whole"]


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that takes the name `path` when the block ends well.

    Raises
    ------
    OSError
        If it cannot be written; nothing of it stays.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file beside, then rename it, so that a kill or a full disk leaves the old one.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise SigzooError(
            f"{path}: cannot be written: {error.strerror or error}. What was there before is still whole;"
            " make room and go on with --resume."
        ) from error
