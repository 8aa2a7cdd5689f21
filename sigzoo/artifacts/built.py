"""Models that were built on this machine: a folder of the cache for each, with weights and provenance."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigzoo.artifacts.home import (
    StorageError,
    cache_home,
    is_file,
    is_folder,
    make_folder,
    names_in,
    storage_errors,
    unlink_if_exists,
)
from sigzoo.artifacts.json_records import read_json, write_json
from sigzoo.artifacts.lock import locked
from sigzoo.artifacts.spec import ArtifactSpec, is_safe_filename
from sigzoo.artifacts.verification import has_stamp, stamp, stamp_path, unchanged, verify
from sigzoo.errors import ArtifactError, UsageError, VerificationError

__all__ = [
    "BuiltModel",
    "built_folder",
    "built_names",
    "clear_built",
    "read_built",
    "remove_folder",
    "replacing",
    "run_folder",
    "run_names",
    "verified_weights",
    "write_provenance",
]

WEIGHTS, PROVENANCE = "model.safetensors", "provenance.json"
_FORMAT = 1
_FACTS: dict[str, type] = {
    "sha256": str,
    "size": int,
    "recipe": dict,
    "overrides": dict,
    "settings": dict,
    "agreement": dict,
    "licence": dict,
    "versions": dict,
    "epochs": list,
    "built": str,
}
_KINDS: dict[type, str] = {str: "a text", int: "a number", dict: "a mapping", list: "a list"}


@dataclass(frozen=True)
class BuiltModel:
    """A model that was built, as its provenance tells of it; the file itself is not verified yet."""

    name: str
    folder: Path
    sha256: str
    size: int
    """In bytes."""
    provenance: dict[str, Any]
    """All that was written down when it was built."""

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS

    @property
    def state(self) -> str:
        """``verified``, ``changed`` since it was verified, or ``unverified``; from its stamp alone."""
        record = read_json(stamp_path(self.folder, WEIGHTS))
        if record is None or record.get("sha256") != self.sha256:
            return "unverified"
        return "verified" if unchanged(self.weights, record) else "changed"

    @property
    def spec(self) -> ArtifactSpec:
        """What pins the file."""
        return ArtifactSpec(self.name, (self.weights.absolute().as_uri(),), self.sha256, size=self.size)


def built_folder(name: str) -> Path:
    """Return the folder that a model has once it is built.

    Raises
    ------
    UsageError
        If the name cannot be a folder's.
    """
    return _folder("built", name)


def run_folder(name: str) -> Path:
    """Return the folder of the run that builds a model, which stays when the run is interrupted.

    Raises
    ------
    UsageError
        If the name cannot be a folder's.
    """
    return _folder("building", name)


def _folder(kind: str, name: str) -> Path:
    if not is_safe_filename(name):
        raise UsageError(f"{name!r} cannot be the name of a model.")
    return cache_home() / kind / name


def built_names() -> list[str]:
    """Names of the models that were built, in their order."""
    return _names("built")


def run_names() -> list[str]:
    """Names of the models whose building was begun and has not ended."""
    return _names("building")


def _names(kind: str) -> list[str]:
    return names_in(cache_home() / kind)


def read_built(name: str) -> BuiltModel | None:
    """Read what a built model says of itself; `None` where none was built.

    Raises
    ------
    ArtifactError
        If its folder is damaged.
    """
    try:
        folder = built_folder(name)
    except StorageError:
        return None
    if not is_folder(folder):
        return None
    found = read_json(folder / PROVENANCE)
    try:
        if found is None or found["format"] != _FORMAT or found["model"] != name:
            raise ValueError(f"{PROVENANCE} is not the provenance of {name}")
        model = BuiltModel(name, folder, str(found["sha256"]), int(found["size"]), found)
        _check_facts(found)
        if model.spec.sha256 is None or not is_file(model.weights):
            raise ValueError(f"there is no {WEIGHTS}")
    except (ArtifactError, KeyError, OverflowError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise ArtifactError(
            f"{folder} is damaged ({why}). `sigzoo build {name}` builds it again; `sigzoo cache clear {name}`"
            " removes it."
        ) from error
    return model


def _check_facts(found: dict[str, Any]) -> None:
    """Refuse facts of another form than a build writes down, which others take as they stand."""
    for key, kind in _FACTS.items():
        if key in found and not isinstance(found[key], kind):
            raise ValueError(f"{key} in {PROVENANCE} is not {_KINDS[kind]}")


def verified_weights(model: BuiltModel, *, again: bool = False) -> Path:
    """Return the path of a built model's weights once they are what was built, by SHA-256.

    Parameters
    ----------
    model
        From `read_built`.
    again
        Hash the file even where its stamp says that it is unchanged since it was verified.

    Raises
    ------
    VerificationError
        If they are not.
    """
    mark = stamp_path(model.folder, WEIGHTS)
    if not again and has_stamp(mark, model.weights, model.spec):
        return model.weights
    try:
        found = verify(model.weights, model.spec)
    except VerificationError as error:
        with suppress(StorageError):
            unlink_if_exists(mark)
        raise VerificationError(
            f"{model.weights} is not the file that was built: {str(error).rstrip('.')}. It is not used;"
            f" `sigzoo build {model.name}` builds it again."
        ) from error
    stamp(mark, model.weights, found)
    return model.weights


@contextmanager
def replacing(name: str) -> Iterator[Path]:
    """Give an empty folder that becomes the built model's when the block ends well.

    What was built before stays whole until then.

    Raises
    ------
    StorageError
        If the cache cannot be written.
    """
    target = built_folder(name)
    fresh, old = _beside(target, "new"), _beside(target, "old")
    with locked(f"built-{name}", f"storing {name}"):
        _tidy(target)
        make_folder(fresh)
        try:
            yield fresh
            with storage_errors(target):
                if os.path.lexists(target):
                    target.replace(old)
                fresh.replace(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        with suppress(OSError):
            remove_folder(old)


def write_provenance(folder: Path, name: str, sha256: str, size: int, facts: dict[str, Any]) -> None:
    """Write the provenance of the weights that lie in a folder.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    identity = {"format": _FORMAT, "model": name, "sha256": sha256, "size": size}
    write_json(folder / PROVENANCE, {**facts, **identity})


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _tidy(target: Path) -> None:
    """Put right what a process that was killed while storing has left."""
    fresh, old = _beside(target, "new"), _beside(target, "old")
    with storage_errors(target):
        if os.path.lexists(old) and not os.path.lexists(target):
            old.replace(target)
        for stray in (fresh, old):
            if os.path.lexists(stray):
                remove_folder(stray)


def clear_built(name: str, *, partial_only: bool = False) -> int:
    """Remove a built model and what an interrupted build of it has left; return the bytes that are free now.

    Raises
    ------
    ArtifactError
        If another process is building it.
    StorageError
        If something cannot be removed.
    """
    freed = 0
    if os.path.lexists(run_folder(name)):
        with locked(f"building-{name}", f"building {name}", wait=False):
            freed += _remove(run_folder(name))
    if not partial_only and os.path.lexists(built_folder(name)):
        with locked(f"built-{name}", f"storing {name}"):
            freed += _remove(built_folder(name))
    return freed


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def remove_folder(folder: Path) -> None:
    """Remove a folder of the cache; of one that is a link, say to a roomier disk, only the link goes.

    Raises
    ------
    OSError
        If it cannot be removed.
    """
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)


def _remove(folder: Path) -> int:
    with storage_errors(folder):
        freed = 0 if folder.is_symlink() else size_of(folder)
        remove_folder(folder)
    return freed
