"""Files and folders that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from sigzoo.errors import SigzooError

__all__ = [
    "Failure",
    "is_leftover",
    "remove_leftovers",
    "whole_file",
    "whole_folder",
    "write_bytes",
    "write_error",
    "write_json",
]

Failure: TypeAlias = Callable[[Path, OSError], SigzooError]
"""Makes the error of a room out of the place that was to be written and what the system said."""

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.part(\.\w+)?")


def write_error(
    path: Path, error: OSError, *, kind: type[SigzooError] = SigzooError, advice: str = ""
) -> SigzooError:
    """Say that a file cannot be written and why.

    Parameters
    ----------
    path
        Where it was to be.
    error
        What the system said.
    kind
        Class of the error that is made.
    advice
        A sentence that is added.
    """
    why = str(error.strerror or error)
    if error.filename is not None:
        named = Path(os.fsdecode(error.filename))
        if named != path and not is_leftover(named):
            why += f" ({named})"
    return kind(f"{path}: cannot be written: {why.rstrip('.')}.{advice and ' '}{advice}")


def is_leftover(path: Path) -> bool:
    """Whether a file or folder has the name of one that is being written, or that a killed process left."""
    return _LEFTOVER.fullmatch(path.name) is not None


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove what killed processes left of writing files whose names begin with `name`.

    One that is being written at this moment goes with them: its writer gets an error.
    """
    for stray in folder.glob(f".{name[:_NAME_KEPT]}*"):
        if is_leftover(stray):
            with suppress(OSError):
                shutil.rmtree(stray) if stray.is_dir() and not stray.is_symlink() else stray.unlink()


@contextmanager
def whole_file(
    path: Path, *, suffix: str = "", durable: bool = True, failure: Failure = write_error
) -> Iterator[BinaryIO]:
    """Give a new file to write that takes the name `path`, over any file there, when the block ends well.

    Where the block raises, nothing of it stays and what was there before is untouched. A killed process
    leaves a hidden ``.NAME.RANDOM.part`` beside, which nothing takes for a result. A symbolic link at
    `path` is replaced, never followed. The mode is what the process's umask leaves of 0666.

    Parameters
    ----------
    path
        Where the file is to be.
    suffix
        Ending of the name it is written under (``file.name``), for a library that chooses a format by it.
    durable
        Whether it is on the disk, not only in the system's memory, before it takes its name.
    failure
        Makes the error out of an `OSError` of the block or of our own.

    Raises
    ------
    SigzooError
        If it cannot be written, or `path` is there and no regular file.
    """
    try:
        _check_replaceable(path)
        part = _beside(path, suffix)
        ours = True  # before it is there: an interrupt may come between its making and the next line
        try:
            try:
                file = _open_new(part)
            except FileExistsError:
                ours = False
                raise
            with file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                file.close()
                part.replace(path)
        except BaseException:
            if ours:
                with suppress(OSError, ValueError):  # an impossible name has no file
                    part.unlink()
            raise
    except OSError as error:
        raise failure(path, error) from error


@contextmanager
def whole_folder(path: Path, *, failure: Failure = write_error) -> Iterator[Path]:
    """Give a new folder to fill that takes the name `path`, which must be free, when the block ends well.

    Parameters
    ----------
    path
        Where the folder is to be.
    failure
        As for `whole_file`.

    Raises
    ------
    SigzooError
        If it cannot be written, or something is at `path`.
    """
    try:
        part = _beside(path)
        part.mkdir()
        try:
            yield part
            if os.path.lexists(path):  # a rename would silently take the place of an empty folder
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            part.rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise failure(path, error) from error


def write_bytes(path: Path, content: bytes, *, durable: bool = True, failure: Failure = write_error) -> None:
    """Write a file, whole or not at all; for the arguments see `whole_file`.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    with whole_file(path, durable=durable, failure=failure) as file:
        file.write(content)


def write_json(path: Path, value: Any, *, sort_keys: bool = False, failure: Failure = write_error) -> None:
    """Write a value as JSON that a person can read, whole or not at all.

    Raises
    ------
    SigzooError
        If it cannot be written.
    """
    try:
        content = json.dumps(value, indent=2, sort_keys=sort_keys, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a name of a file that is no UTF-8: JSON's own escapes can hold it
        content = json.dumps(value, indent=2, sort_keys=sort_keys).encode()
    write_bytes(path, content + b"\n", failure=failure)


_NAME_KEPT = 40
"""Characters of the name, so that a name of the greatest length still has room for what is added."""


def _beside(path: Path, suffix: str = "") -> Path:
    return path.with_name(f".{path.name[:_NAME_KEPT]}.{secrets.token_hex(4)}.part{suffix}")


def _open_new(part: Path) -> BinaryIO:
    """Open a new file, with the mode that the kernel works out: asking for the umask means setting it."""

    def create(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

    try:
        return open(part, "xb", opener=create)
    except ValueError as error:  # a NUL, or a character that the file system's encoding lacks
        raise OSError(errno.EINVAL, f"this can be no file's name ({error})") from error


def _check_replaceable(path: Path) -> None:
    """Refuse a folder before the work, and a device always: a rename would take its place for everyone."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, not a file", str(path))
