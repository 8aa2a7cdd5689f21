"""The cache as a zoo sees it: by names of models and artifacts, each file compared with the registry."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sigzoo.artifacts import cache
from sigzoo.artifacts.built import WEIGHTS, built_folder, built_names, run_names
from sigzoo.artifacts.bundle import Imported, export_cache, import_cache
from sigzoo.artifacts.cache import Entry, Verdict
from sigzoo.artifacts.fetching import locate
from sigzoo.artifacts.home import cache_home, is_file, target_path
from sigzoo.artifacts.kept_graphs import GRAPHS
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.errors import ArtifactError, UnknownNameError, UsageError
from sigzoo.registry import Card

__all__ = ["CachedPath", "Registered", "ZooCache"]


class Registered(Protocol):
    """What a cache asks a zoo: names, and the files behind them."""

    def artifact_names(self, pattern: str | None = None) -> list[str]:
        """Names of artifacts."""

    def artifact_specs(self, name: str) -> list[ArtifactSpec]:
        """The files behind a name of an artifact or a model."""

    def list_models(self, pattern: str | None = None) -> list[str]:
        """Names of models."""

    def info(self, name: str) -> Card:
        """The card of a model."""

    def store(self) -> AbstractContextManager[None]:
        """Use the zoo's folder in the block."""


@dataclass(frozen=True)
class CachedPath:
    """Where a file is, or where it would be."""

    name: str
    """Of the artifact, or of a model that is built."""
    path: Path
    present: bool


@dataclass(frozen=True)
class ZooCache:
    """What lies in a zoo's cache, and what can be done with it.

    Attributes
    ----------
    zoo
        Whose; ``ZooCache(sigzoo.Zoo())`` is the default one's.
    """

    zoo: Registered

    @property
    def home(self) -> Path:
        """The folder."""
        with self.zoo.store():
            return cache_home()

    def entries(self) -> list[Entry]:
        """Every file in the cache, whole or partial; reads no file's content.

        Raises
        ------
        StorageError
            If it cannot be read.
        """
        with self.zoo.store():
            return cache.entries()

    def paths(self, names: Iterable[str]) -> list[CachedPath]:
        """Where the files of models and artifacts are, or where they would be.

        Parameters
        ----------
        names
            Models, artifacts, or patterns.

        Returns
        -------
        list of CachedPath
            One a file.

        Raises
        ------
        UnknownNameError
            If there is nothing of a name.
        """
        names = list(names)
        with self.zoo.store():
            found = [(spec.name, locate(spec), target_path(spec)) for spec in self._specs(names)]
            for model in self._recipe_models(names):
                weights = built_folder(model) / WEIGHTS
                found.append((model, weights if is_file(weights) else None, weights))
            return [CachedPath(name, here or place, here is not None) for name, here, place in found]

    def verify(self, names: Iterable[str] | None = None) -> list[Verdict]:
        """Read files again and compare them with the registry, and what was built with its provenance.

        Parameters
        ----------
        names
            Models and artifacts, or patterns; by default all that is here, bundled files too.

        Returns
        -------
        list of Verdict
            One a file.

        Raises
        ------
        ArtifactError
            If nothing of these names is here.
        UnknownNameError
            If there is nothing of a name.
        """
        with self.zoo.store():
            if names is None:
                everything = self._specs(self.zoo.artifact_names())
                return cache.verify_again(self.lookup, None, list(filter(_is_bundled, everything)))
            names = list(names)
            chosen = self._names_here(names)
            verdicts = cache.verify_again(self.lookup, chosen, list(filter(_is_bundled, self._known(names))))
        if not verdicts:
            raise ArtifactError(
                f"not in the cache: {', '.join(names)}. Run `sigzoo fetch` first, or `sigzoo build` for what"
                " is made by a recipe."
            )
        return verdicts

    def clear(
        self, names: Iterable[str] | None = None, *, partial_only: bool = False, forget_pins: bool = False
    ) -> int:
        """Remove the files of models and artifacts and return the bytes that are free now.

        Parameters
        ----------
        names
            Models and artifacts, or patterns; by default all.
        partial_only, forget_pins
            As `sigzoo.artifacts.cache.clear` takes them.

        Returns
        -------
        int
            Bytes.

        Raises
        ------
        UnknownNameError
            If there is nothing of a name.
        ArtifactError
            As `sigzoo.artifacts.cache.clear`.
        """
        with self.zoo.store():
            chosen = None if names is None else self._names_here(list(names))
            return cache.clear(chosen, partial_only=partial_only, forget_pins=forget_pins)

    def export(self, out: Path, names: Iterable[str] | None = None) -> list[Path]:
        """Write files, each verified on the way, into one tar for a machine without a network.

        Parameters
        ----------
        out
            The tar.
        names
            Models and artifacts, or patterns; by default all of the registry that is here.

        Returns
        -------
        list of Path
            The files that went in.

        Raises
        ------
        UsageError
            If a model is built, and so has nothing that it could be verified against elsewhere.
        ArtifactError
            If there is nothing to export, or as `sigzoo.artifacts.bundle.export_cache`.
        """
        with self.zoo.store():
            if names is None:
                return export_cache(self._specs_here(), out)
            names = list(names)
            for model in self._recipe_models(names):
                raise UsageError(
                    f"{model} is built, not fetched: nobody published what it could be verified against"
                    f" elsewhere. Copy {built_folder(model) / WEIGHTS} and load it there with --weights, or"
                    " build it there."
                )
            return export_cache(self._specs(names), out)

    def import_from(self, archive: Path, *, require_hash: bool = False) -> list[Imported]:
        """Take the files of an exported tar, each verified, into the cache; all of them or none.

        Parameters
        ----------
        archive
            A tar that `export` wrote.
        require_hash
            Refuse a file of which nobody published a digest.

        Returns
        -------
        list of Imported
            One a file.

        Raises
        ------
        ArtifactError
            As `sigzoo.artifacts.bundle.import_cache`.
        """
        with self.zoo.store():
            return import_cache(archive, self.lookup, require_hash=require_hash)

    def names(self, names: Iterable[str]) -> list[str]:
        """Names of the artifacts and built models that names of models, or patterns, stand for.

        Parameters
        ----------
        names
            Models, artifacts, or patterns.

        Returns
        -------
        list of str
            Each once.

        Raises
        ------
        UnknownNameError
            If there is nothing of a name.
        """
        with self.zoo.store():
            return self._names_here(names)

    def lookup(self, name: str, filename: str) -> ArtifactSpec | None:
        """What the registry knows of a file of the cache, by its artifact's name and its own.

        Parameters
        ----------
        name
            The artifact's folder in the cache.
        filename
            The file in it.

        Returns
        -------
        ArtifactSpec or None
            `None` for what the registry does not know.
        """
        try:
            known = self.zoo.artifact_specs(name)
        except UnknownNameError:
            return None
        inside = [spec.of_member(member.name) for spec in known for member in spec.members]
        return next(
            (
                spec
                for spec in [*known, *inside]
                if spec and (spec.name, spec.stored_name) == (name, filename)
            ),
            None,
        )

    def _specs(self, names: Iterable[str]) -> list[ArtifactSpec]:
        """What stands behind names of models and artifacts, each file once."""
        return list(dict.fromkeys(spec for name in names for spec in self.zoo.artifact_specs(name)))

    def _known(self, names: Iterable[str]) -> list[ArtifactSpec]:
        """The same, of those names that the registry knows."""
        found: list[ArtifactSpec] = []
        for name in names:
            with suppress(UnknownNameError):
                found += self.zoo.artifact_specs(name)
        return list(dict.fromkeys(found))

    def _names_here(self, names: Iterable[str]) -> list[str]:
        """Names of artifacts and built models; what is in the cache needs no place in the registry."""
        here = {*cache.artifact_names_in_cache(), *built_names(), *run_names(), GRAPHS}
        found: dict[str, None] = {}
        for name in names:
            if name in here:
                found[name] = None
                continue
            found |= dict.fromkeys(spec.name for spec in self._specs([name]))
            found |= dict.fromkeys(model for model in self._recipe_models([name]) if model in here)
        return list(found)

    def _recipe_models(self, names: Iterable[str]) -> list[str]:
        """The models that names or patterns stand for and that are made by a recipe."""
        found: list[str] = []
        for name in names:
            with suppress(UnknownNameError):
                found += [model for model in self.zoo.list_models(name) if self.zoo.info(model).recipe]
        return found

    def _specs_here(self) -> list[ArtifactSpec]:
        """What of the registry is here, whole."""
        held = cache.entries()
        known = [self.lookup(entry.name, entry.path.name) for entry in held if entry.state != "partial"]
        found = [spec for spec in known if spec is not None]
        if not found:
            state = "holds no whole file of the registry" if held else "is empty"
            raise ArtifactError(
                f"the cache, {cache_home()}, {state}: there is nothing to export. Run `sigzoo fetch NAME`"
                " first."
            )
        return found


def _is_bundled(spec: ArtifactSpec) -> bool:
    return any(url.startswith("package:") for url in spec.urls)
