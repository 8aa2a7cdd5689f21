"""Where the cache is, how it is laid out, and what to say when it cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import FileIO
from pathlib import Path

from sigzoo.artifacts.ownership import is_foreign_link
from sigzoo.artifacts.spec import ArtifactSpec, is_safe_filename
from sigzoo.errors import ArtifactError, UsageError

__all__ = [
    "StorageError",
    "append",
    "artifact_folder",
    "cache_home",
    "is_file",
    "is_folder",
    "is_offline",
    "make_folder",
    "names_in",
    "storage_errors",
    "store",
    "target_path",
    "unlink_if_exists",
    "write_blocks",
]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(ArtifactError):
    """The cache cannot be written, so that another mirror would not help."""


_store: ContextVar[tuple[str | None, bool | None]] = ContextVar("sigzoo store", default=(None, None))


@contextmanager
def store(home: str | None, offline: bool | None) -> Iterator[None]:
    """Use a cache folder and an offline mode in the block; `None` is what the environment says."""
    token = _store.set((home, offline))
    try:
        yield
    finally:
        _store.reset(token)


def cache_home() -> Path:
    """Return the folder of the cache: the `store`'s, `SIGZOO_HOME`, else pooch's cache folder for sigzoo.

    It is not created here.

    Returns
    -------
    Path
        It need not exist yet.

    Raises
    ------
    UsageError
        If `SIGZOO_HOME` begins with the home of a user who is not known.
    StorageError
        If it is not set and the user has no home folder.
    """
    home, _ = _store.get()
    if home is not None:
        return Path(home)
    chosen = os.environ.get("SIGZOO_HOME")
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise UsageError(
                f"SIGZOO_HOME is {chosen!r}, and there is no home folder that its ~ could stand for; "
                "write the whole path."
            ) from error
    # What `pooch.os_cache` does, whose import would cost a tenth of the time of `sigzoo list`.
    import platformdirs

    try:
        found = Path(platformdirs.user_cache_dir("sigzoo"))
    except RuntimeError:
        found = Path("~")
    if found.parts[:1] == ("~",):
        # So older releases of platformdirs leave it where there is neither HOME nor an entry for the user.
        raise StorageError("there is no home folder for the cache. Set SIGZOO_HOME to a folder.")
    return found.absolute()


def is_offline() -> bool:
    """Whether the `store` or `SIGZOO_OFFLINE` switches the network off.

    Raises
    ------
    UsageError
        If it holds something that is neither yes nor no: a typo must not open a socket.
    """
    _, offline = _store.get()
    if offline is not None:
        return offline
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


def storage_error(path: Path, error: OSError, *, resumes: bool = False, doing: str = "write") -> StorageError:
    """Say why `path` could not be written, and the remedy; with `resumes` what is there will be of use."""
    why = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return StorageError(
            f"no room to write {path} ({why}). Free some space or set SIGZOO_HOME to a roomier folder"
            + ("; what has arrived is kept, and the next fetch goes on from there." if resumes else ".")
        )
    return StorageError(
        f"cannot {doing} {path} ({why}). Set SIGZOO_HOME to a folder that you may write in, "
        "or make this one writable."
    )


@contextmanager
def storage_errors(path: Path, *, resumes: bool = False, doing: str = "write") -> Iterator[None]:
    """Turn an `OSError` of the block, which writes `path`, or reads it by `doing`, into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, resumes=resumes, doing=doing) from error


def make_folder(path: Path) -> Path:
    """Create a folder of the cache and return it.

    Raises
    ------
    StorageError
        If that is not possible, or a folder on the way is a link that another user has made.
    """
    refuse_foreign_links(path)
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def refuse_foreign_links(path: Path) -> None:
    """Refuse to write where another user leads: below the cache, no folder may be a link of theirs.

    Raises
    ------
    StorageError
        If one is.
    """
    home = cache_home()
    for folder in (path, *path.parents):
        if not folder.is_relative_to(home):
            return
        if is_foreign_link(folder):
            raise StorageError(
                f"{folder} is a link that another user has made, and is not followed. Remove it, or set"
                " SIGZOO_HOME to a folder of your own."
            )


def unlink_if_exists(path: Path) -> None:
    """Remove a file, or a link and not what it leads to, if it is there.

    Raises
    ------
    StorageError
        If it is there and cannot be removed.
    """
    with storage_errors(path):
        path.unlink(missing_ok=True)


def is_file(path: Path) -> bool:
    """Whether there is a file that may be looked at; a folder that may not be entered holds none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder that may be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def names_in(folder: Path) -> list[str]:
    """Names of the folders inside a folder of the cache, in their order; none where it is not there.

    Raises
    ------
    StorageError
        If it cannot be read.
    """
    with storage_errors(folder, doing="read"):
        if not folder.is_dir():
            return []
        return sorted(each.name for each in folder.iterdir() if each.is_dir() and is_safe_filename(each.name))


def write_blocks(path: Path, blocks: Iterable[bytes], *, mode: int = 0o666) -> int:
    """Write a new file, unbuffered, and return its size; what is written before a failure stays.

    What was there goes first, a link itself and not what it leads to.

    Parameters
    ----------
    path
        The file.
    blocks
        Its content.
    mode
        Permissions, from which the process's mask is taken off.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    unlink_if_exists(path)
    with storage_errors(path):
        file = new_file(path, mode)
    with file:
        return sum(append(file, path, block) for block in blocks)


def new_file(path: Path, mode: int = 0o666) -> FileIO:
    """Create a file that must not be there yet, nor be a link, and open it for writing.

    Raises
    ------
    OSError
        If that is not possible.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return FileIO(os.open(path, flags, mode), "wb")


def append(file: FileIO, path: Path, block: bytes, *, resumes: bool = False) -> int:
    """Write all of a block, however little the system takes at once, and return its size.

    With `resumes` an error says that the next try goes on from what is written.

    Raises
    ------
    StorageError
        If it cannot be written; what fitted is in the file.
    """
    view = memoryview(block)
    with storage_errors(path, resumes=resumes):
        while view:
            view = view[file.write(view) :]
    return len(block)
