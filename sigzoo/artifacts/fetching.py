"""An artifact, whole and verified: from the cache, else from the first mirror that has it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from sigzoo.artifacts import notices, pins
from sigzoo.artifacts.home import StorageError, artifact_folder, is_offline, keeping, make_folder, target_path
from sigzoo.artifacts.http import ResumingDownloader, discard_part, part_path
from sigzoo.artifacts.json_records import sweep
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.retry import Progress, Retry
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.artifacts.urls import bring, browsable, is_network, package_file
from sigzoo.artifacts.verification import Digests, has_stamp, stamp, stamp_path, verify
from sigzoo.errors import ArtifactError, OfflineError, VerificationError

__all__ = ["fetch", "install", "locate"]

_log = logging.getLogger("sigzoo.artifacts")


def fetch(
    spec: ArtifactSpec,
    *,
    progress: Progress | None = None,
    require_hash: bool = False,
    retry: Retry | None = None,
) -> Path:
    """Return the path of an artifact's file, whole and verified, fetching it if it is not here.

    Mirrors are tried in order; what decides is the digest. Of many processes that ask, one
    downloads and the others wait. A download that was cut goes on where it stopped.

    Parameters
    ----------
    spec
        The artifact.
    progress
        Called with the bytes that are here and their final number (`None` if unknown).
    require_hash
        Refuse an artifact for which nobody published a digest.
    retry
        Patience with servers.

    Raises
    ------
    VerificationError
        If a file was had and none was the right one, or `require_hash` refuses it.
    OfflineError
        If it is not here and `SIGZOO_OFFLINE` is set; says what to bring, and where to.
    ArtifactError
        If no mirror gave it, with what went wrong at each, or the cache cannot be written.
    """
    if require_hash and not spec.pinned:
        raise VerificationError(
            f"{spec.name} is unpinned: nobody published a digest of it, and one is required. "
            "Fetch it without --require-hash if you trust its source."
        )
    notices.show_once(spec)
    found = locate(spec)
    if found is not None:
        return found
    if is_offline() and all(map(is_network, spec.urls)):
        raise _offline(spec)
    with locked(f"artifact-{spec.name}", f"fetching {spec.name}"):
        found = locate(spec)
        return found if found is not None else _from_mirrors(spec, progress, retry or Retry())


def locate(spec: ArtifactSpec) -> Path | None:
    """Return the path of an artifact's file if it is here and verified; never asks the network.

    Parameters
    ----------
    spec
        The artifact.

    Returns
    -------
    Path or None
        The file in the cache or inside an installed package; `None` where there is none, or
        where its content is not the published one.

    Raises
    ------
    ArtifactError
        If the record of unpinned artifacts is damaged or cannot be written.
    """
    target = target_path(spec)
    if _is_good(target, spec):
        return target
    for url in spec.urls:
        try:
            inside = package_file(url)
        except ArtifactError:
            continue
        if inside is not None and _is_good(inside, spec):
            return inside
    return None


def _stamp_path(spec: ArtifactSpec) -> Path:
    return stamp_path(artifact_folder(spec.name), spec.stored_name)


def _is_good(path: Path, spec: ArtifactSpec) -> bool:
    if not path.is_file():
        return False
    if has_stamp(_stamp_path(spec), path, spec):
        return True
    try:
        found = verify(path, spec)
        if not spec.pinned:
            pins.record(spec.name, found.sha256, found.size, str(path))
    except VerificationError:
        return False
    stamp(_stamp_path(spec), path, found)
    return True


def _from_mirrors(spec: ArtifactSpec, progress: Progress | None, retry: Retry) -> Path:
    sweep(artifact_folder(spec.name))
    downloader = ResumingDownloader(spec.size, spec.pinned, retry, progress)
    offline = is_offline()
    failures: list[tuple[str, ArtifactError]] = []
    for url in spec.urls:
        if offline and is_network(url):
            continue
        try:
            return _from_mirror(spec, url, downloader)
        except StorageError:
            raise
        except ArtifactError as error:
            _log.info("sigzoo: %s from %s: %s", spec.name, url, error)
            failures.append((url, error))
    told = "".join(f"\n  {url}: {error}" for url, error in failures)
    if offline:
        raise _offline(spec, told)
    had_one = any(isinstance(error, VerificationError) for _, error in failures)
    kind = VerificationError if had_one else ArtifactError
    raise kind(f"could not fetch {spec.name} ({spec.identity()}):{told}\n{_by_hand(spec)}")


def _from_mirror(spec: ArtifactSpec, url: str, downloader: ResumingDownloader) -> Path:
    inside = package_file(url)
    if inside is not None:
        verify(inside, spec)
        return inside
    part = part_path(make_folder(artifact_folder(spec.name)) / spec.stored_name)
    inherited = part.exists()
    bring(url, part, spec.stored_name, downloader)
    try:
        found = _judged(part, spec, url)
    except VerificationError:
        if not inherited:
            raise
        # The first bytes were another session's or another mirror's: this mirror may be right.
        bring(url, part, spec.stored_name, downloader)
        found = _judged(part, spec, url)
    return install(part, spec, found, url)


def _judged(part: Path, spec: ArtifactSpec, url: str) -> Digests:
    """Verify a gathered file; a wrong one is thrown away, so that it spoils no later try."""
    try:
        found = verify(part, spec)
        if not spec.pinned:
            pins.record(spec.name, found.sha256, found.size, url)
    except VerificationError:
        discard_part(part)
        raise
    return found


def install(part: Path, spec: ArtifactSpec, found: Digests, source: str) -> Path:
    """Give a verified file its name in the cache, in one step, and stamp it.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    target = target_path(spec)
    with keeping(target):
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    discard_part(part)
    stamp(_stamp_path(spec), target, found, source)
    return target


def _by_hand(spec: ArtifactSpec) -> str:
    return (
        f"To bring it yourself: put it at {target_path(spec)}, or run `sigzoo cache export {spec.name}` on a "
        "machine that has it and `sigzoo cache import` here."
    )


def _offline(spec: ArtifactSpec, told: str = "") -> OfflineError:
    target = target_path(spec)
    state = "is here but is not the published file" if target.exists() else "is not in the cache"
    return OfflineError(
        f"{spec.name}: {spec.stored_name} {state}, and SIGZOO_OFFLINE is set. "
        f"The file: {spec.identity()}, from {' or '.join(map(browsable, spec.urls))}.{told}\n{_by_hand(spec)}"
    )
