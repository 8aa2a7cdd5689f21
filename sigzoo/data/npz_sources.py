"""Bytes of one array of an ``.npz`` by position: in the file itself, or out of a deflated member."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from zipfile import ZipFile, ZipInfo

from sigzoo.errors import DataError

__all__ = ["DeflatedSource", "Source", "StoredSource", "spool"]

BLOCK = 1 << 20


class Source(Protocol):
    """Bytes of one array, by position."""

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes from `offset` on; `DataError` where there are fewer."""
        ...


class StoredSource:
    """Bytes that lie in a file from `start` on."""

    def __init__(self, file: Any, start: int, lock: Lock, where: str) -> None:
        self.file, self.start, self._lock, self._where = file, start, lock, where

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes from `offset` on; `DataError` where there are fewer."""
        done = 0
        try:
            while done < len(buffer):
                count = self._some(buffer[done:], self.start + offset + done)
                if not count:
                    break
                done += count
        except (OSError, ValueError) as problem:
            raise DataError(f"{self._where} cannot be read ({problem}).") from problem
        if done < len(buffer):
            raise DataError(f"{self._where} ends early; the file is damaged, fetch it again.")

    def _some(self, buffer: memoryview, at: int) -> int:
        # Without a position of its own, so that forked workers do not disturb each other.
        if hasattr(os, "preadv"):
            return os.preadv(self.file.fileno(), [buffer], at)
        with self._lock:
            self.file.seek(at)
            return self.file.readinto(buffer) or 0


class DeflatedSource:
    """Bytes that come out of a deflated member in order; going back starts it anew."""

    def __init__(self, archive: ZipFile, info: ZipInfo, where: str) -> None:
        self._archive, self._info, self._where = archive, info, where
        self._stream: Any = None
        self._at = 0
        self._lock = Lock()

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes from `offset` on; `DataError` where there are fewer."""
        with self._lock:
            try:
                if self._stream is None or offset < self._at:
                    self._stream, self._at = self._archive.open(self._info), 0
                while self._at < offset:
                    self._at += len(self._some(min(BLOCK, offset - self._at)))
                done = 0
                while done < len(buffer):
                    block = self._some(min(BLOCK, len(buffer) - done))
                    buffer[done : done + len(block)] = block
                    done += len(block)
                    self._at += len(block)
            except DataError:
                raise
            except Exception as problem:
                reason = f"{type(problem).__name__}: {problem!s:.100}"
                raise DataError(f"{self._where} is damaged ({reason}); fetch it again.") from problem

    def _some(self, count: int) -> bytes:
        block: bytes = self._stream.read(count)
        if not block:
            raise DataError(f"{self._where} ends early; the file is damaged, fetch it again.")
        return block


def spool(source: Source, size: int, folder: Path, where: str) -> StoredSource:
    """Unpack an array once to an unnamed temporary file, in `folder` or where temporary files go.

    Raises
    ------
    DataError
        If it is damaged, or there is no space.
    """
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    except OSError:
        file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        block = memoryview(bytearray(BLOCK))
        for start in range(0, size, BLOCK):
            part = block[: min(BLOCK, size - start)]
            source.read_into(part, start)
            file.write(part)
        file.flush()
    except BaseException as problem:
        file.close()
        if isinstance(problem, OSError):
            raise DataError(f"{where} cannot be unpacked ({problem.strerror}).") from problem
        raise
    return StoredSource(file, 0, Lock(), where)
