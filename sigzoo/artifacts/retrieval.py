"""From a URL into the cache through pooch: download, published digest, our own checks, the file's name."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch  # type: ignore[import-untyped]

from sigzoo.artifacts import pins
from sigzoo.artifacts.home import artifact_folder, make_folder, storage_errors, target_path
from sigzoo.artifacts.http import ResumingDownloader
from sigzoo.artifacts.inspection import inspect
from sigzoo.artifacts.part_files import discard_part, part_path
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.artifacts.urls import transfer
from sigzoo.artifacts.verification import Digests, check, digests_of, stamp, stamp_path
from sigzoo.errors import VerificationError

__all__ = ["InstallProcessor", "install", "remove_temporary_folders", "retrieve", "temporary_folder"]

_TEMPORARY = ".arriving-"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def retrieve(spec: ArtifactSpec, url: str, downloader: ResumingDownloader) -> Path:
    """Download an artifact from one URL, verify it, and return its path in the cache.

    pooch downloads into a temporary name, compares the SHA-256 where one is published, and hands
    the file to `InstallProcessor`. A wrong file is thrown away, so that it spoils no later try.

    Raises
    ------
    VerificationError
        If what came is not the artifact.
    ArtifactError
        If nothing came.
    StorageError
        If it cannot be written.
    """
    folder = make_folder(artifact_folder(spec.name))
    part = part_path(folder / spec.stored_name)
    try:
        with temporary_folder(folder) as arriving, _without_log(pooch.get_logger()), storage_errors(arriving):
            path: str = pooch.retrieve(
                url,
                known_hash=None if spec.sha256 is None else f"sha256:{spec.sha256}",
                fname=spec.stored_name,
                path=arriving,
                downloader=_PartDownloader(spec, part, downloader),
                processor=InstallProcessor(spec, url, is_hashed=spec.sha256 is not None),
            )
    except VerificationError:
        discard_part(part)
        raise
    except ValueError as error:
        discard_part(part)
        raise _mismatch(spec, error) from error
    return Path(path)


@dataclass
class _PartDownloader:
    """For pooch: gathers the bytes in the artifact's partial file, which stays until all is well."""

    spec: ArtifactSpec
    part: Path
    resuming: ResumingDownloader

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        transfer(url, self.part, self.spec.stored_name, self.resuming)
        output = Path(output_file)
        with storage_errors(output):
            output.unlink()
            try:
                # A second name: killed before the verification has ended, nothing is fetched again.
                output.hardlink_to(self.part)
            except OSError:
                self.part.replace(output)


@dataclass
class InstallProcessor:
    """For pooch: the processor that checks what pooch cannot, and gives the file its name in the cache.

    Attributes
    ----------
    spec
        What it must be.
    source
        Where it came from, for the record.
    is_hashed
        Whether its SHA-256 has just been compared with the published one.
    """

    spec: ArtifactSpec
    source: str
    is_hashed: bool = False

    def __call__(self, fname: str, action: str, pooch: Any) -> str:
        """Check the file `fname` and return its path in the cache.

        Raises
        ------
        VerificationError
            If it is not the artifact.
        StorageError
            If it cannot be installed.
        """
        path, spec = Path(fname), self.spec
        with storage_errors(path):
            state = path.stat()
        if self.is_hashed and spec.sha256 is not None and spec.git_blob is None:
            found = Digests(spec.sha256, None, state.st_size, state.st_mtime_ns)
        else:
            found = digests_of(path, git=spec.git_blob is not None)
        check(found, spec)
        if not spec.pinned:
            if pins.recorded(spec.name) is None:
                inspect(path, spec)
            pins.record(spec.name, found.sha256, found.size, self.source)
        return str(install(path, spec, found, self.source))


def install(path: Path, spec: ArtifactSpec, found: Digests, source: str) -> Path:
    """Give a verified file its name in the cache, in one step, and stamp it.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    target = target_path(spec)
    with storage_errors(target):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(target)
    discard_part(part_path(target))
    stamp(stamp_path(target.parent, target.name), target, found, source)
    return target


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder inside `folder` that nobody else may enter, and that goes in the end.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    with storage_errors(folder):
        arriving = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))
    try:
        yield arriving
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def remove_temporary_folders(folder: Path) -> None:
    """Remove what killed processes have left of `temporary_folder`; of a link only the link goes."""
    for stray in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if stray.is_symlink() or not stray.is_dir():
                stray.unlink()
            else:
                shutil.rmtree(stray)


@contextmanager
def _without_log(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from writing this thread's URLs on stderr; its other users are heard."""
    thread = threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(is_of_others)


def _mismatch(spec: ArtifactSpec, error: ValueError) -> VerificationError:
    """Say what pooch found in place of the published digest."""
    found = [digest for digest in _SHA256.findall(str(error)) if digest != spec.sha256]
    if not found:
        return VerificationError(str(error))
    return VerificationError(f"sha256 is {found[-1]} instead of {spec.sha256}")
