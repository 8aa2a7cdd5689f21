"""An artifact, whole and verified: from the cache, else from the first mirror that has it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sigzoo.artifacts import notices, pins
from sigzoo.artifacts.home import StorageError, artifact_folder, is_file, is_offline, make_folder, target_path
from sigzoo.artifacts.json_records import sweep
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.part_files import part_path, part_size
from sigzoo.artifacts.retry import Progress, Retry
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.artifacts.urls import browsable, installation_hint, is_network, package_file, scheme
from sigzoo.artifacts.verification import has_stamp, stamp, stamp_path, verify
from sigzoo.common.redaction import redacted
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ArtifactError, OfflineError, VerificationError

if TYPE_CHECKING:
    from sigzoo.artifacts.http import ResumingDownloader

__all__ = ["fetch", "locate"]

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

    Returns
    -------
    Path
        The file in the cache.

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
    path = _fetched(spec, progress, retry)
    notices.remember(spec)
    return path


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
    if all(scheme(url) == "package" for url in spec.urls) and spec.archive is None:
        # What lies in an installed package asks for no cache, which may not be there.
        return _in_package(spec)
    try:
        target = target_path(spec)
    except StorageError:  # there is no home, and so nothing in it
        return _in_package(spec)
    return target if _is_good(target, spec) else _in_package(spec)


def _fetched(spec: ArtifactSpec, progress: Progress | None, retry: Retry | None) -> Path:
    found = locate(spec)
    if found is not None:
        return found
    if all(scheme(url) == "package" for url in spec.urls) and spec.archive is None:
        _require_package(spec)
    here = locate(spec.archive) if spec.archive is not None else None
    if here is None and is_offline() and all(map(is_network, spec.urls)):
        raise _offline(spec)
    try:
        with locked(f"artifact-{spec.name}", f"fetching {spec.name}"):
            found = locate(spec)
            if found is not None:
                return found
            if here is not None:
                try:
                    return _from_archive(spec, here)
                except VerificationError:
                    if is_offline() or not spec.urls:
                        raise
            return _from_mirrors(spec, progress, retry or Retry())
    except StorageError:
        raise
    except ArtifactError as error:
        if spec.archive is None or is_offline():
            raise
        return _by_archive(spec, error, progress, retry)


def _in_package(spec: ArtifactSpec) -> Path | None:
    for url in spec.urls:
        try:
            inside = package_file(url)
            if inside is not None and _is_good(inside, spec):
                return inside
        except ArtifactError:
            continue
    return None


def _is_good(path: Path, spec: ArtifactSpec) -> bool:
    if not is_file(path):
        return False
    mark = _stamp_path(spec)
    if mark is not None and has_stamp(mark, path, spec):
        return True
    try:
        found = verify(path, spec)
        if not spec.pinned:
            pins.record(spec.name, found.sha256, found.size, str(path))
    except VerificationError:
        return False
    if mark is not None:
        stamp(mark, path, found)
    return True


def _stamp_path(spec: ArtifactSpec) -> Path | None:
    try:
        return stamp_path(artifact_folder(spec.name), spec.stored_name)
    except StorageError:
        return None


def _require_package(spec: ArtifactSpec) -> None:
    """Say what to install where a bundled file is not to be had; of a zipped package it is copied later."""
    reasons = []
    for url in spec.urls:
        try:
            inside = package_file(url)
            if inside is None:
                return
            verify(inside, spec)
        except VerificationError as error:
            reasons.append(f"{inside} is not the file that the registry names ({error})")
        except ArtifactError as error:
            reasons.append(str(error))
    hints = " or ".join(dict.fromkeys(map(installation_hint, spec.urls)))
    what = f"{spec.name} ({spec.identity()}) comes with an installed package, and is not there"
    raise VerificationError(f"{what}: {'; '.join(reasons)}. {hints}.")


def _from_mirrors(spec: ArtifactSpec, progress: Progress | None, retry: Retry) -> Path:
    from sigzoo.artifacts.http import ResumingDownloader
    from sigzoo.artifacts.retrieval import remove_temporary_folders

    folder = make_folder(artifact_folder(spec.name))
    sweep(folder)
    remove_temporary_folders(folder)
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
            shown = safe_text(redacted(url))
            _log.info("sigzoo: %s from %s: %s", spec.name, shown, error)
            failures.append((shown, error))
    reasons = "".join(f"\n  {url}: {error}" for url, error in failures)
    if offline:
        raise _offline(spec, reasons)
    had_one = any(isinstance(error, VerificationError) for _, error in failures)
    kind = VerificationError if had_one else ArtifactError
    raise kind(f"could not fetch {spec.name} ({spec.identity()}):{reasons}\n{_by_hand(spec)}")


def _from_mirror(spec: ArtifactSpec, url: str, downloader: ResumingDownloader) -> Path:
    from sigzoo.artifacts.retrieval import retrieve

    inside = package_file(url)
    if inside is not None:
        verify(inside, spec)
        return inside
    inherited = part_size(part_path(target_path(spec))) > 0
    try:
        return retrieve(spec, url, downloader)
    except VerificationError:
        if not inherited:
            raise
    # The first bytes were another session's or another mirror's: this mirror may be right.
    return retrieve(spec, url, downloader)


def _by_archive(
    spec: ArtifactSpec, failed: ArtifactError, progress: Progress | None, retry: Retry | None
) -> Path:
    """Fetch the archive that holds a file too, as none of the file's own addresses gave it."""
    assert spec.archive is not None
    try:
        here = fetch(spec.archive, progress=progress, retry=retry)
        with locked(f"artifact-{spec.name}", f"fetching {spec.name}"):
            return _from_archive(spec, here)
    except StorageError:
        raise
    except ArtifactError as error:
        raise type(error)(
            f"{failed}\nNor from {spec.archive.stored_name}, which holds it: {error}"
        ) from error


def _from_archive(spec: ArtifactSpec, archive: Path) -> Path:
    from sigzoo.artifacts.members import MAX_MEMBER_SIZE, copy_member
    from sigzoo.artifacts.retrieval import InstallProcessor, temporary_folder

    name = spec.archive_member or spec.stored_name
    with temporary_folder(make_folder(artifact_folder(spec.name))) as arriving:
        target = arriving / spec.stored_name
        copy_member(archive, name, target, limit=MAX_MEMBER_SIZE)
        try:
            return Path(InstallProcessor(spec, f"{archive}#{name}")(str(target), "fetch", None))
        except VerificationError as error:
            raise VerificationError(
                f"{archive}: member {name!r} is not the file that the registry names: {error}"
            ) from error


def _by_hand(spec: ArtifactSpec) -> str:
    return (
        f"To bring it yourself: put it at {target_path(spec)}, or run `sigzoo cache export {spec.name}` on a "
        "machine that has it and `sigzoo cache import` here."
    )


def _offline(spec: ArtifactSpec, reasons: str = "") -> OfflineError:
    target = target_path(spec)
    state = "is here but is not the published file" if is_file(target) else "is not in the cache"
    urls = [browsable(url) for url in spec.urls]
    if spec.archive is not None:
        urls += [f"{browsable(url)} (inside)" for url in spec.archive.urls]
    return OfflineError(
        f"{spec.name}: {spec.stored_name} {state}, and SIGZOO_OFFLINE is set. "
        f"The file: {spec.identity()}, from {' or '.join(urls)}.{reasons}\n{_by_hand(spec)}"
    )
