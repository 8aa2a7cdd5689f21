"""What lies in the cache: listing, verifying again, clearing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sigzoo.artifacts import built, pins
from sigzoo.artifacts.home import cache_home, is_folder, names_in, storage_errors, unlink_if_exists
from sigzoo.artifacts.json_records import read_json
from sigzoo.artifacts.kept_graphs import GRAPHS, graphs_folder, kept_graphs
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.spec import RESERVED_ENDINGS, ArtifactSpec, is_safe_filename
from sigzoo.artifacts.urls import NotInstalledError, package_file
from sigzoo.artifacts.verification import digests_of, stamp, stamp_path, unchanged, verify
from sigzoo.errors import ArtifactError, UsageError

__all__ = ["Entry", "Lookup", "Verdict", "clear", "entries", "verify_again"]

Lookup = Callable[[str, str], ArtifactSpec | None]
"""From an artifact's name and a file's name to what the registry knows of it."""


@dataclass(frozen=True)
class Entry:
    """A file of the cache."""

    name: str
    path: Path
    size: int
    state: str
    """``verified``, ``changed`` since it was verified, ``unverified``, ``partial``, ``damaged``: a built
    model without its provenance or a graph without its record; or ``kept``: a graph, which is verified
    whenever it is used."""
    sha256: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What reading a file again has shown."""

    name: str
    path: Path
    problem: str | None
    against: str
    """What it was compared with: ``registry``, else ``stamp``, else ``nothing``; ``provenance`` for a
    model that was built, ``record`` for a graph."""


def artifact_names_in_cache() -> list[str]:
    """Names of the artifacts that have a folder in the cache."""
    return names_in(cache_home() / "artifacts")


def entries() -> list[Entry]:
    """Every file in the cache, whole or partial: artifacts, built models, graphs; reads no file's content."""
    found = []
    for name in artifact_names_in_cache():
        folder = cache_home() / "artifacts" / name
        with storage_errors(folder, doing="read"):
            found += [_entry(name, path) for path in _files(name)]
            partial = sorted(folder.glob("*.part"))
            found += [Entry(name, path, path.lstat().st_size, "partial") for path in partial]
    made = [*map(_built_entry, built.built_names()), *map(_run_entry, built.run_names())]
    graphs = [
        Entry(GRAPHS, each.path, each.size, "kept" if each.sha256 else "damaged", each.sha256, each.source)
        for each in kept_graphs()
    ]
    return [*found, *made, *graphs]


def _built_entry(name: str) -> Entry:
    try:
        model = built.read_built(name)
    except ArtifactError:
        model = None
    if model is None:
        folder = built.built_folder(name)
        return Entry(name, folder, built.size_of(folder), "damaged")
    return Entry(name, model.weights, model.size, model.state, model.sha256, "built from its recipe")


def _run_entry(name: str) -> Entry:
    folder = built.run_folder(name)
    return Entry(name, folder, built.size_of(folder), "partial", source="a build that has not ended")


def _files(name: str) -> list[Path]:
    folder = cache_home() / "artifacts" / name
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(RESERVED_ENDINGS)
    )


def _entry(name: str, path: Path) -> Entry:
    size = path.stat().st_size
    record = read_json(stamp_path(path.parent, path.name))
    if record is None:
        return Entry(name, path, size, "unverified")
    state = "verified" if unchanged(path, record) else "changed"
    return Entry(name, path, size, state, record.get("sha256"), record.get("source"))


def verify_again(
    lookup: Lookup, names: list[str] | None = None, bundled: list[ArtifactSpec] | None = None
) -> list[Verdict]:
    """Read every file again, whatever its stamp says, and judge it.

    A file that is found wrong loses its stamp, so that the next use fetches it again; a member
    that was extracted wrongly is removed, so that the next use extracts it again.

    Parameters
    ----------
    lookup
        The registry.
    names
        Artifacts and built models to verify; by default all that are in the cache.
    bundled
        Artifacts to verify where they lie, inside installed packages.
    """
    verdicts = []
    for name in artifact_names_in_cache() if names is None else names:
        folder = cache_home() / "artifacts" / name
        if not is_folder(folder):
            continue
        with storage_errors(folder, doing="read"):
            verdicts += [_verify_file(name, path, lookup(name, path.name)) for path in _files(name)]
            verdicts += _verify_members(name)
    verdicts.extend(_verify_built(name) for name in built.built_names() if names is None or name in names)
    if names is None or GRAPHS in names:
        verdicts += [Verdict(GRAPHS, each.path, each.problem(), "record") for each in kept_graphs()]
    for spec in bundled or []:
        verdicts.extend(_verify_bundled(spec))
    return verdicts


def _verify_file(name: str, path: Path, spec: ArtifactSpec | None) -> Verdict:
    mark = stamp_path(path.parent, path.name)
    record = read_json(mark)
    against = "registry" if spec is not None else "stamp" if record is not None else "nothing"
    problem = None
    try:
        if spec is not None:
            found = verify(path, spec)
            stamp(mark, path, found, record.get("source") if record else None)
        else:
            found = digests_of(path)
            if record is not None and record.get("sha256") != found.sha256:
                problem = f"sha256 is {found.sha256} instead of {record.get('sha256')}"
    except ArtifactError as error:
        problem = str(error)
    if problem is not None:
        unlink_if_exists(mark)
    return Verdict(name, path, problem, against)


def _verify_members(name: str) -> Iterator[Verdict]:
    for path in sorted((cache_home() / "artifacts" / name).glob("*.members/*")):
        record = read_json(stamp_path(path.parent, path.name))
        if record is None or path.name.endswith(RESERVED_ENDINGS):
            continue
        found = digests_of(path)
        problem = None
        if found.sha256 != record.get("sha256"):
            problem = f"sha256 is {found.sha256} instead of {record.get('sha256')}"
            unlink_if_exists(stamp_path(path.parent, path.name))
            unlink_if_exists(path)
        yield Verdict(name, path, problem, "stamp")


def _verify_built(name: str) -> Verdict:
    path, problem = built.built_folder(name), None
    try:
        model = built.read_built(name)
        if model is not None:
            path = model.weights
            built.verified_weights(model, again=True)
    except ArtifactError as error:
        problem = str(error)
    return Verdict(name, path, problem, "provenance")


def _verify_bundled(spec: ArtifactSpec) -> Iterator[Verdict]:
    for url in spec.urls:
        try:
            path = package_file(url)
            if path is None:
                continue
            verify(path, spec)
        except NotInstalledError:
            continue
        except ArtifactError as error:
            yield Verdict(spec.name, Path(url), str(error), "registry")
        else:
            yield Verdict(spec.name, path, None, "registry")


def clear(names: list[str] | None = None, *, partial_only: bool = False, forget_pins: bool = False) -> int:
    """Remove artifacts and built models from the cache and return the bytes that are free now.

    The record of first-seen digests stays unless it is asked to go: without it a changed file
    would be taken for the first one.

    Parameters
    ----------
    names
        Artifacts and models; by default all, and the members of archives that lie elsewhere.
    partial_only
        Only what cut downloads and interrupted builds have left.
    forget_pins
        Take them out of the record of first-seen digests, too.

    Raises
    ------
    UsageError
        If a name cannot be an artifact's.
    ArtifactError
        If another process is building a model of them.
    StorageError
        If something cannot be removed.
    """
    freed = 0
    everything = [*artifact_names_in_cache(), *built.built_names(), *built.run_names()]
    for name in dict.fromkeys(everything) if names is None else names:
        if not is_safe_filename(name):
            raise UsageError(f"{name!r} cannot be the name of an artifact.")
        folder = cache_home() / "artifacts" / name
        with locked(f"artifact-{name}", f"fetching {name}"):
            freed += _remove_parts(folder) if partial_only else _remove_tree(folder)
        freed += built.clear_built(name, partial_only=partial_only)
        if forget_pins:
            pins.forget(name)
    if (names is None or GRAPHS in names) and not partial_only:
        freed += _remove_tree(graphs_folder())
    if names is None and not partial_only:
        freed += _remove_tree(cache_home() / "members")
    return freed


def _remove_parts(folder: Path) -> int:
    freed = 0
    for path in [*folder.glob("*.part"), *folder.glob("*.part.json")]:
        freed += path.stat().st_size
        unlink_if_exists(path)
    return freed


def _remove_tree(folder: Path) -> int:
    if folder.is_symlink() or not folder.is_dir():
        return 0
    freed = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
    with storage_errors(folder):
        shutil.rmtree(folder)
    return freed
