"""The SHA-256 of a file, or an error that names it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sigzoo.errors import SigzooError

__all__ = ["file_sha256"]


def file_sha256(path: Path, kind: type[SigzooError]) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits.

    Raises
    ------
    SigzooError
        Of the given kind, if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise kind(f"{path}: cannot be read: {error.strerror or error}.") from error
