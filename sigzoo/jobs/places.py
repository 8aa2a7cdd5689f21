"""Where a job's files go: a folder here, or a prefix of an object store; every file appears whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from filelock import FileLock, Timeout

from sigzoo.common.atomic import remove_leftovers, whole_file, write_bytes, write_error
from sigzoo.common.bounded_files import read_bounded
from sigzoo.common.remote import is_remote, list_remote, local_name, open_remote, put_remote, read_remote
from sigzoo.common.terminal import safe_text
from sigzoo.errors import DataError, SigzooError, UsageError

__all__ = ["LocalPlace", "Place", "RemotePlace", "Target", "open_place"]


class Target:
    """A file that is being written.

    Attributes
    ----------
    file
        Where to, binary.
    wanted
        Whether it is to appear at the end.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.wanted = file, True

    def discard(self) -> None:
        """Let nothing appear."""
        self.wanted = False


class Place(Protocol):
    """A folder of files, by names with ``/`` between folders. It can be pickled; as text it is its name."""

    def names(self, below: str = "") -> list[str]:
        """Names of the files in it, or in a folder of it that ends in ``/``; none where there is none."""
        ...

    def whole(self, name: str) -> AbstractContextManager[Target]:
        """A file that appears whole when the block ends well, over one of that name."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        ...

    def read(self, name: str, most: int) -> bytes:
        """Read a small file of at most `most` bytes."""
        ...

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file for reading anywhere in it."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes out for the block, where the place can, and remove what killed ones left."""
        ...


_LOCK = ".lock"


def open_place(name: str) -> Place:
    """The folder of that name, or what is below a URL; it need not be there."""
    if is_remote(name):
        return RemotePlace(name.rstrip("/"))
    return LocalPlace(Path(local_name(name)))


class _DiscardedError(Exception):
    """What was written is not wanted."""


@dataclass(frozen=True)
class LocalPlace:
    """A folder of this machine, made when something is written."""

    folder: Path

    def __str__(self) -> str:
        return safe_text(self.folder)

    def names(self, below: str = "") -> list[str]:
        """Names of the files; of files that are being written or that a killed process left, none."""
        folder = self.folder / below
        try:
            with os.scandir(folder) as entries:
                return sorted(f"{below}{each.name}" for each in entries if not each.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{safe_text(folder)}: cannot be read: {error.strerror or error}.") from error

    @contextmanager
    def whole(self, name: str) -> Iterator[Target]:
        """Give a file that appears whole."""
        try:
            with whole_file(self._made(name)) as file:
                target = Target(file)
                yield target
                if not target.wanted:
                    raise _DiscardedError
        except _DiscardedError:
            return

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        write_bytes(self._made(name), content)

    def read(self, name: str, most: int) -> bytes:
        """Read a small file."""
        return read_bounded(self.folder / name, most, DataError, "no such file is")

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        path = self.folder / name
        try:
            file = path.open("rb")
        except OSError as error:
            raise DataError(f"{safe_text(path)}: cannot be read: {error.strerror or error}.") from error
        with file:
            yield file

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out, by a lock that dies with its owner; remove what killed ones left.

        Raises
        ------
        UsageError
            If another process works in the folder.
        """
        lock = FileLock(self._made(_LOCK), is_singleton=False)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise UsageError(f"{self}: another process is at work in this folder.") from error
        except OSError as error:
            raise write_error(self.folder, error) from error
        except NotImplementedError:
            pass  # a file system without locks: two processes would do the same work twice
        try:
            for folder in (self.folder, *(each for each in self.folder.glob("_*") if each.is_dir())):
                remove_leftovers(folder)
            yield
        finally:
            lock.release()

    def _made(self, name: str) -> Path:
        """A file's path, its folder made."""
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SigzooError(
                f"{safe_text(path.parent)}: cannot be made: {error.strerror or error}."
            ) from error
        return path


@dataclass(frozen=True)
class RemotePlace:
    """A prefix of an object store.

    Nothing keeps two processes from working there at once; what they write is the same.
    """

    url: str

    def __str__(self) -> str:
        return safe_text(self.url)

    def names(self, below: str = "") -> list[str]:
        """Names of the objects."""
        found = list_remote(f"{self.url}/{below}", DataError)
        return [f"{below}{name}" for name in (each.rpartition("/")[2] for each in found) if name[:1] != "."]

    @contextmanager
    def whole(self, name: str) -> Iterator[Target]:
        """Give a file of this machine's that is put there when the block ends well."""
        with tempfile.TemporaryDirectory(prefix="sigzoo-") as folder:
            path = Path(folder) / "shard"
            with path.open("w+b") as file:
                target = Target(file)
                yield target
            if target.wanted:
                put_remote(path, f"{self.url}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a small object."""
        put_remote(content, f"{self.url}/{name}")

    def read(self, name: str, most: int) -> bytes:
        """Read a small object."""
        return read_remote(f"{self.url}/{name}", most, DataError)

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open an object for reading."""
        return open_remote(f"{self.url}/{name}", DataError)

    def held(self) -> AbstractContextManager[None]:
        """Keep nobody out: stores have no locks."""
        return nullcontext()
