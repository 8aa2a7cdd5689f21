"""One process at a time: a lock of the operating system's, which dies with its owner."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo.artifacts.home import StorageError, cache_home, make_folder, storage_error, storage_errors
from sigzoo.errors import ArtifactError

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["locked"]

_log = logging.getLogger("sigzoo.artifacts")

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
"""How network folders say that they lock nothing."""

_named: set[Path] = set()
"""Caches without locks that this process has spoken of."""


@contextmanager
def locked(name: str, waiting_for: str | None = None, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of that name in the cache for the block.

    Where the cache's file system has no locks, one in this machine's folder for temporary files
    stands in, which keeps this machine's processes apart and is logged.

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
    path = make_folder(cache_home() / "locks") / f"{name}.lock"
    try:
        lock = _acquired(path, waiting_for, wait=wait)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise storage_error(path, error) from error
        with storage_errors(path):
            lock = _acquired(_stand_in(path), waiting_for, wait=wait)
    try:
        yield
    finally:
        lock.release()


def _acquired(path: Path, waiting_for: str | None, *, wait: bool) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise ArtifactError(f"Another process is {waiting_for or 'at it'}; try again later.") from None
        if waiting_for is not None:
            _log.warning("sigzoo: waiting for another process, which is %s", waiting_for)
        lock.acquire()
    return lock


def _stand_in(path: Path) -> Path:
    """Return where this machine's processes lock what the cache's own file system cannot lock."""
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    folder = Path(tempfile.gettempdir()) / f"sigzoo-locks-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "geteuid") and found.st_uid != user):
        raise StorageError(
            f"{folder} is not a folder of yours, so that nothing can be locked there; remove it."
        )
    if path.parent not in _named:
        _named.add(path.parent)
        _log.warning(
            "sigzoo: the file system of %s has no locks; processes of this machine wait for each other,"
            " those of other machines do not.",
            path.parent,
        )
    return folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.lock"
