"""Writing a run's files: each whole or not at all, and where one cannot be, how to go on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sigzoo.common import atomic

__all__ = ["write_whole"]

_unwritable = partial(
    atomic.write_error,
    advice="What was there before is still whole; make room and go on with --resume.",
)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file of a run, so that a kill or a full disk leaves the old one.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    atomic.write_bytes(path, content, failure=_unwritable)
