"""Is this file the published one? Digests, and stamps that spare computing them again."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sigzoo.artifacts import pins
from sigzoo.artifacts.home import StorageError, cache_home
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.ownership import others_may_change
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.common.redaction import redacted
from sigzoo.errors import VerificationError

__all__ = [
    "Digests",
    "check",
    "digests_of",
    "file_state",
    "has_stamp",
    "stamp",
    "stamp_path",
    "unchanged",
    "verify",
]

BLOCK = 1 << 20


@dataclass(frozen=True)
class Digests:
    """A file as it was read: its digests, and the size and time it had just before."""

    sha256: str
    git_blob: str | None
    size: int
    mtime_ns: int


def digests_of(path: Path, *, git: bool = False) -> Digests:
    """Read a file once, in blocks, and compute its SHA-256 and, with `git`, its git blob id.

    Raises
    ------
    VerificationError
        If it cannot be read, or changed while it was.
    """
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            sha256 = hashlib.sha256()
            # SHA-1 is what git publishes; not our choice of a hash.
            blob = hashlib.sha1(b"blob %d\0" % before.st_size, usedforsecurity=False)
            while block := file.read(BLOCK):
                sha256.update(block)
                if git:
                    blob.update(block)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise VerificationError(f"cannot read {path} ({error.strerror or error}).") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise VerificationError(f"{path} changed while it was being verified.")
    return Digests(sha256.hexdigest(), blob.hexdigest() if git else None, before.st_size, before.st_mtime_ns)


def verify(path: Path, spec: ArtifactSpec) -> Digests:
    """Check a file against everything that is known of the artifact, reading all of it.

    For an unpinned artifact that is the record of the first one seen, where there is one.

    Raises
    ------
    VerificationError
        If its size or a digest is another; says both.
    """
    if spec.size is not None:
        _check_size(path, spec.size)
    found = digests_of(path, git=spec.git_blob is not None)
    check(found, spec)
    return found


def check(found: Digests, spec: ArtifactSpec) -> None:
    """Compare what a file is with everything that is known of the artifact.

    Raises
    ------
    VerificationError
        If its size or a digest is another; says both.
    """
    if spec.size is not None and found.size != spec.size:
        raise VerificationError(f"{found.size} bytes instead of {spec.size}")
    if spec.sha256 is not None and found.sha256 != spec.sha256:
        raise VerificationError(f"sha256 is {found.sha256} instead of {spec.sha256}")
    if spec.git_blob is not None and found.git_blob != spec.git_blob:
        raise VerificationError(f"git blob id is {found.git_blob} instead of {spec.git_blob}")
    if not spec.pinned and spec.size is None and found.size == 0:
        raise VerificationError("an empty file, and nothing published says that it should be")
    if not spec.pinned:
        pins.check(spec.name, found.sha256)


def _check_size(path: Path, expected: int) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise VerificationError(f"cannot read {path} ({error.strerror or error}).") from error
    if size != expected:
        raise VerificationError(f"{size} bytes instead of {expected}")


def stamp_path(spec_folder: Path, filename: str) -> Path:
    """Return the path of the stamp that belongs to a file of an artifact's folder."""
    return spec_folder / f"{filename}.stamp.json"


def stamp(stamp_at: Path, path: Path, found: Digests, source: str | None = None) -> None:
    """Note beside a verified file what it was, so that it need not be hashed again.

    A stamp is a convenience: where the cache cannot be written there is none, and the next
    use hashes again.
    """
    record: dict[str, object] = {"path": str(path), "sha256": found.sha256, "git_blob": found.git_blob}
    if source is not None:
        record["source"] = redacted(source)
    try:
        here = file_state(path)
        if (here["size"], here["mtime_ns"]) == (found.size, found.mtime_ns):
            write_json(stamp_at, record | here)
    except (OSError, StorageError):
        return


def file_state(path: Path) -> dict[str, int]:
    """Return what changes with a file's content: size, times and its number in the file system.

    The time of the last change of status cannot be set by a program, as the other one can.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found = path.stat()
    return {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
        "inode": found.st_ino,
    }


def has_stamp(stamp_at: Path, path: Path, spec: ArtifactSpec) -> bool:
    """Whether a file was verified before and is unchanged since, by its size and times.

    The stamp must hold the digest that is asked for now: a registry may have changed. Where others
    may write, a stamp may be theirs, and proves nothing.
    """
    record = read_json(stamp_at)
    if record is None or not unchanged(path, record):
        return False
    if others_may_change(stamp_at, cache_home()) or others_may_change(path, cache_home()):
        return False
    if spec.size is not None and record.get("size") != spec.size:
        return False
    if spec.pinned:
        wanted = {"sha256": spec.sha256, "git_blob": spec.git_blob}
        return all(record.get(key) == value for key, value in wanted.items() if value is not None)
    return record.get("sha256") is not None and record["sha256"] == pins.recorded(spec.name)


def unchanged(path: Path, record: dict[str, object]) -> bool:
    """Whether a file has the size, the times and the place that a stamp recorded."""
    try:
        return all(record.get(key) == value for key, value in file_state(path).items())
    except OSError:
        return False
