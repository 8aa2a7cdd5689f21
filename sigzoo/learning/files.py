"""Writing a run's files: each whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sigzoo.errors import SigzooError

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside, then rename it, so that a kill or a full disk leaves the old one.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise SigzooError(
            f"{path}: cannot be written: {error.strerror or error}. What was there before is still whole;"
            " make room and go on with --resume."
        ) from error
