"""One process at a time: a lock of the operating system's, which dies with its owner."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sigzoo.artifacts.home import cache_home, keeping, make_folder
from sigzoo.errors import ArtifactError

__all__ = ["locked"]

_log = logging.getLogger("sigzoo.artifacts")


@contextmanager
def locked(name: str, waiting_for: str | None = None, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of that name in the cache for the block.

    Parameters
    ----------
    name
        A file's name below ``<home>/locks``; it lies outside the artifact's folder, so that
        clearing the folder cannot free a lock that somebody holds.
    waiting_for
        What to say, once, when another process holds it.
    wait
        Whether to wait for that process, or to give up.

    Raises
    ------
    ArtifactError
        If another process holds it, and this one is not to wait.
    StorageError
        If the lock file cannot be made.
    """
    from filelock import FileLock, Timeout

    path = make_folder(cache_home() / "locks") / f"{name}.lock"
    lock = FileLock(path)
    with keeping(path):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise ArtifactError(
                    f"Another process is {waiting_for or 'at it'}; try again later."
                ) from None
            if waiting_for is not None:
                _log.warning("sigzoo: waiting for another process, which is %s", waiting_for)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
