"""Where the cache is, how it is laid out, and what to say when it cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.errors import ArtifactError, UsageError

__all__ = [
    "StorageError",
    "append",
    "artifact_folder",
    "cache_home",
    "discard",
    "is_offline",
    "keeping",
    "make_folder",
    "target_path",
    "write_blocks",
]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(ArtifactError):
    """The cache cannot be written, so that another mirror would not help."""


def cache_home() -> Path:
    """Return the folder of the cache: `SIGZOO_HOME`, else pooch's cache folder for sigzoo.

    It is not created here.

    Raises
    ------
    UsageError
        If `SIGZOO_HOME` begins with the home of a user who is not known.
    """
    chosen = os.environ.get("SIGZOO_HOME")
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise UsageError(
                f"SIGZOO_HOME is {chosen!r}, and there is no home folder that its ~ could stand for; "
                "write the whole path."
            ) from error
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("sigzoo")).absolute()


def is_offline() -> bool:
    """Whether `SIGZOO_OFFLINE` switches the network off.

    Raises
    ------
    UsageError
        If it holds something that is neither yes nor no: a typo must not open a socket.
    """
    value = os.environ.get("SIGZOO_OFFLINE", "").strip().lower()
    if value in {"", "0", "false", "no", "off"}:
        return False
    if value in {"1", "true", "yes", "on"}:
        return True
    raise UsageError(f"SIGZOO_OFFLINE is {value!r}; use 1 (no network) or 0.")


def artifact_folder(name: str) -> Path:
    """Return the folder of one artifact: its file, its stamp, its partial file, its extracted members."""
    return cache_home() / "artifacts" / name


def target_path(spec: ArtifactSpec) -> Path:
    """Return the path that an artifact's file has once it is whole and verified."""
    return artifact_folder(spec.name) / spec.stored_name


def storage_error(path: Path, error: OSError, *, resumes: bool = False) -> StorageError:
    """Say why `path` could not be written, and the remedy; with `resumes` what is there will be of use."""
    why = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return StorageError(
            f"no room to write {path} ({why}). Free some space or set SIGZOO_HOME to a roomier folder"
            + ("; what has arrived is kept, and the next fetch goes on from there." if resumes else ".")
        )
    return StorageError(
        f"cannot write {path} ({why}). Set SIGZOO_HOME to a folder that you may write in, "
        "or make this one writable."
    )


@contextmanager
def keeping(path: Path, *, resumes: bool = False) -> Iterator[None]:
    """Turn an `OSError` of the block, which writes `path`, into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, resumes=resumes) from error


def make_folder(path: Path) -> Path:
    """Create a folder of the cache and return it.

    Raises
    ------
    StorageError
        If that is not possible.
    """
    with keeping(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def discard(path: Path) -> None:
    """Remove a file if it is there.

    Raises
    ------
    StorageError
        If it is there and cannot be removed.
    """
    with keeping(path):
        path.unlink(missing_ok=True)


def write_blocks(path: Path, blocks: Iterable[bytes]) -> int:
    """Write a file anew, unbuffered, and return its size; what is written before a failure stays.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    with keeping(path):
        file = FileIO(path, "wb")
    with file:
        return sum(append(file, path, block) for block in blocks)


def append(file: FileIO, path: Path, block: bytes, *, resumes: bool = False) -> int:
    """Write all of a block, however little the system takes at once, and return its size.

    With `resumes` an error says that the next try goes on from what is written.

    Raises
    ------
    StorageError
        If it cannot be written; what fitted is in the file.
    """
    view = memoryview(block)
    with keeping(path, resumes=resumes):
        while view:
            view = view[file.write(view) :]
    return len(block)
