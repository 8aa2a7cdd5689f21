"""Carrying artifacts to a machine without a network: one tar with a manifest, verified on arrival."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, Self

import msgspec

from sigzoo.artifacts import pins
from sigzoo.artifacts.cache import Lookup
from sigzoo.artifacts.fetching import locate
from sigzoo.artifacts.home import (
    StorageError,
    artifact_folder,
    cache_home,
    is_file,
    make_folder,
    target_path,
    write_blocks,
)
from sigzoo.artifacts.inspection import inspect
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.retrieval import install, remove_temporary_folders, temporary_folder
from sigzoo.artifacts.spec import ArtifactSpec, is_safe_filename
from sigzoo.artifacts.verification import Digests, check, digests_of, verify
from sigzoo.common.atomic import whole_file
from sigzoo.common.messages import quoted, shortened
from sigzoo.common.terminal import safe_text
from sigzoo.errors import ArtifactError, VerificationError

__all__ = ["Imported", "export_cache", "import_cache"]

_MANIFEST = "manifest.json"
_MAX_MANIFEST = 1 << 20
_BLOCK = 1 << 20
_MAX_EXTENSION = 1 << 12
"""Bytes of a long name or a pax header; older releases of Python take quadratic time to parse one."""

_EXTENSIONS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_DAMAGE = (tarfile.TarError, EOFError, OSError, OverflowError, RecursionError, ValueError, MemoryError)
"""What `tarfile` raises on archives that are not what they say."""


class _PlainInfo(tarfile.TarInfo):
    """A header that makes `tarfile` neither read nor parse more than a long name takes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type in _EXTENSIONS and info.size > _MAX_EXTENSION:
            raise tarfile.HeaderError(f"an extended header of {info.size} bytes")
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.HeaderError("a sparse file")
        return info

    def _refuse_sparse(self, *arguments: object) -> NoReturn:
        raise tarfile.HeaderError("a sparse file")

    # What tarfile calls for the three ways of writing a sparse file's map into a pax header.
    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    artifact: str
    filename: str
    size: int
    sha256: str

    @property
    def path(self) -> str:
        """Name of the member, made from the manifest and not taken from the archive."""
        return f"artifacts/{self.artifact}/{self.filename}"


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    version: int
    files: list[_File]


@dataclass(frozen=True)
class Imported:
    """A file that an import brought, or found to be here already."""

    name: str
    path: Path
    size: int
    new: bool


def export_cache(specs: list[ArtifactSpec], out: Path) -> list[Path]:
    """Write artifacts of the cache into one tar, each verified again on the way.

    Parameters
    ----------
    specs
        Artifacts, all of which must be here.
    out
        The tar; it takes its name only when it is whole.

    Returns
    -------
    list of Path
        The files that are in it.

    Raises
    ------
    ArtifactError
        If one is not in the cache; names all that are missing.
    VerificationError
        If one is no longer the published file.
    StorageError
        If `out` cannot be written.
    """
    located = [(spec, locate(spec)) for spec in specs]
    for spec, path in located:
        if path is None and is_file(target_path(spec)):
            # It is there and is another file: `verify` says so, where "not in the cache" would mislead.
            verify(target_path(spec), spec)
    missing = dict.fromkeys(spec.name for spec, path in located if path is None)
    if missing or not specs:
        raise ArtifactError(
            f"not in the cache: {', '.join(missing) or 'no name was given'}. Run `sigzoo fetch NAME` first."
        )
    found = [_entry(spec, path) for spec, path in located if path is not None]
    with (
        whole_file(out, failure=_unwritable) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        _write(archive, found)
    return [path for _, path in found]


def _unwritable(out: Path, error: OSError) -> StorageError:
    why = error.strerror or error
    return StorageError(f"cannot write {out} ({why}). Choose another place for it, or make room.")


def _entry(spec: ArtifactSpec, path: Path) -> tuple[_File, Path]:
    digests = verify(path, spec)
    return _File(
        artifact=spec.name, filename=spec.stored_name, size=digests.size, sha256=digests.sha256
    ), path


def _write(archive: tarfile.TarFile, found: list[tuple[_File, Path]]) -> None:
    manifest = _Manifest(format="sigzoo cache", version=1, files=[entry for entry, _ in found])
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    _add(archive, _MANIFEST, len(text), io.BytesIO(text))
    for entry, path in found:
        with path.open("rb") as stream:
            _add(archive, entry.path, entry.size, stream)


def _add(archive: tarfile.TarFile, name: str, size: int, stream: IO[bytes]) -> None:
    # Neither owner nor time: the same files give the same tar, which tells nothing of who made it.
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    archive.addfile(info, stream)


def import_cache(source: Path, lookup: Lookup, *, require_hash: bool = False) -> list[Imported]:
    """Take the artifacts of an exported tar into the cache: all of them, or none.

    Nothing is extracted by the archive's own names. Each file must be in the manifest with its
    size and SHA-256, and be the registry's file where the registry knows it.

    Parameters
    ----------
    source
        What `export_cache` wrote.
    lookup
        The registry.
    require_hash
        Refuse what nobody published a digest of: of such a file the tar alone says what it is.

    Raises
    ------
    ArtifactError
        If it is no such tar, is damaged, holds links, devices, folders, files outside the
        manifest or names that escape; or would replace a file that it cannot judge.
    VerificationError
        If a file's content is not the manifest's or the registry's.
    StorageError
        If the cache cannot be written.
    """
    with locked("import", "importing into the cache"), _staging() as folder:
        # All are judged before the first is installed.
        arrivals = [
            _checked_arrival(entry, path, source, lookup, require_hash=require_hash)
            for entry, path in _unpack(source, folder)
        ]
        return [_install_arrival(arrival, source) for arrival in arrivals]


@contextmanager
def _staging() -> Iterator[Path]:
    """Give an empty folder inside the cache; what a killed import left there goes."""
    home = make_folder(cache_home())
    remove_temporary_folders(home)
    with temporary_folder(home) as folder:
        yield folder


@dataclass(frozen=True)
class _Arrival:
    spec: ArtifactSpec
    staged: Path
    found: Digests


def _checked_arrival(
    entry: _File, staged: Path, source: Path, lookup: Lookup, *, require_hash: bool
) -> _Arrival:
    """Hold a file to the manifest, and to the registry where that knows it."""
    known = lookup(entry.artifact, entry.filename)
    if require_hash and (known is None or not known.pinned):
        raise VerificationError(
            f"{source}: nobody published a digest of {entry.path}, and one is required. Nothing was imported."
        )
    by_manifest = ArtifactSpec(
        entry.artifact, (source.absolute().as_uri(),), entry.sha256, size=entry.size, filename=entry.filename
    )
    found = digests_of(staged, git=known is not None and known.git_blob is not None)
    try:
        check(found, by_manifest)
        if known is not None:
            check(found, known)
            if not known.pinned and pins.recorded(known.name) is None:
                inspect(staged, known)
    except VerificationError as error:
        raise VerificationError(f"{source}: {entry.path}: {error}. Nothing was imported.") from error
    spec = known or by_manifest
    if known is None and target_path(spec).exists() and locate(spec) is None:
        raise ArtifactError(
            f"{source}: the registry does not know {spec.name}, and the cache holds another file at "
            f"{target_path(spec)}. Clear that first: `sigzoo cache clear {spec.name}`. Nothing was imported."
        )
    return _Arrival(spec, staged, found)


def _install_arrival(arrival: _Arrival, source: Path) -> Imported:
    spec, found = arrival.spec, arrival.found
    with locked(f"artifact-{spec.name}", f"fetching {spec.name}"):
        here = locate(spec)
        if here is not None:
            return Imported(spec.name, here, found.size, new=False)
        if not spec.pinned:
            pins.record(spec.name, found.sha256, found.size, str(source))
        make_folder(artifact_folder(spec.name))
        return Imported(spec.name, install(arrival.staged, spec, found, str(source)), found.size, new=True)


def _unpack(source: Path, folder: Path) -> list[tuple[_File, Path]]:
    """Copy every member to a name of our own making, and hold each to the manifest."""
    staged: dict[str, tuple[_File, Path]] = {}
    with _opened(source) as archive:
        expected = {entry.path: entry for entry in _read_manifest(archive, source).files}
        for info in _members(archive, source):
            entry = _safe_entry(info, expected, source)
            if info.name in staged:
                raise ArtifactError(f"{source}: {_named(info)} is in it twice; refused.")
            target = folder / str(len(staged))
            write_blocks(target, _content(archive, info, source))
            staged[info.name] = (entry, target)
    for path in expected:
        if path not in staged:
            raise ArtifactError(f"{source}: {path} is in the manifest but not in the archive.")
    return list(staged.values())


def _opened(source: Path) -> tarfile.TarFile:
    if not source.is_file():
        raise ArtifactError(f"{source}: there is no such file.")
    try:
        # "r:" refuses compression, in which a small file could hide an endless one.
        return tarfile.open(source, "r:", tarinfo=_PlainInfo)
    except _DAMAGE as error:
        raise ArtifactError(
            f"{source} is not a tar that `sigzoo cache export` wrote ({_reason(error)})."
        ) from error


def _members(archive: tarfile.TarFile, source: Path) -> Iterator[tarfile.TarInfo]:
    while True:
        try:
            info = archive.next()
        except _DAMAGE as error:
            raise ArtifactError(f"{source} is damaged ({_reason(error)}).") from error
        if info is None:
            return
        yield info


def _read_manifest(archive: tarfile.TarFile, source: Path) -> _Manifest:
    # It comes first, so that nothing is written before it is known what may come.
    info = next(_members(archive, source), None)
    if info is None or info.name != _MANIFEST or not info.isreg() or not 0 < info.size <= _MAX_MANIFEST:
        raise ArtifactError(
            f"{source} is not a tar that `sigzoo cache export` wrote: no manifest comes first."
        )
    try:
        manifest = msgspec.json.decode(b"".join(_content(archive, info, source)), type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{source}: the manifest is not valid ({_reason(error)}).") from error
    if manifest.format != "sigzoo cache" or manifest.version != 1:
        raise ArtifactError(
            f"{source}: the manifest is of format {manifest.format!r}, version {manifest.version}; "
            "this sigzoo reads 'sigzoo cache', version 1."
        )
    for entry in manifest.files:
        if not (is_safe_filename(entry.artifact) and is_safe_filename(entry.filename)):
            raise ArtifactError(
                f"{source}: the manifest names {quoted(entry.path)}, which leads elsewhere; refused."
            )
    if len({entry.path for entry in manifest.files}) != len(manifest.files):
        raise ArtifactError(f"{source}: the manifest names a file twice; refused.")
    return manifest


def _safe_entry(info: tarfile.TarInfo, expected: dict[str, _File], source: Path) -> _File:
    if not info.isreg() or info.issparse():
        raise ArtifactError(
            f"{source}: {_named(info)} is no regular file but a link, device or folder; refused."
        )
    entry = expected.get(info.name)
    if entry is None:
        raise ArtifactError(f"{source}: {_named(info)} is not in the manifest; refused.")
    if info.size != entry.size:
        raise ArtifactError(
            f"{source}: {_named(info)} has {info.size} bytes instead of {entry.size}; refused."
        )
    return entry


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo, source: Path) -> Iterator[bytes]:
    try:
        stream = archive.extractfile(info)
        assert stream is not None
        with stream:
            while block := stream.read(_BLOCK):
                yield block
    except _DAMAGE as error:
        raise ArtifactError(
            f"{source}: {_named(info)} is damaged or cut short ({_reason(error)})."
        ) from error


def _named(info: tarfile.TarInfo) -> str:
    return quoted(info.name)


def _reason(error: BaseException) -> str:
    return shortened(safe_text(str(error)), 200)
