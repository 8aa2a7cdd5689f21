"""`Installed`: plugins, registries and the store of artifacts, in one object; `sigzoo.Zoo` loads from it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sigzoo.artifacts.home import store
from sigzoo.artifacts.registered import check_artifacts, specs_of
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.errors import PluginError, RegistryError, UnknownNameError, UsageError
from sigzoo.plugins import requirements
from sigzoo.plugins.components import describe
from sigzoo.plugins.discovery import allowed, chosen_plugins, discover
from sigzoo.plugins.loader import now_loading
from sigzoo.plugins.manager import PluginManager
from sigzoo.plugins.reporting import report, report_unknown
from sigzoo.registry import Card, Catalogue, Registry, read_registry
from sigzoo.registry.core import component_owners, core_registry_path

if TYPE_CHECKING:
    from sigzoo.interfaces import Backbone, Loss, Preprocessor

_T = TypeVar("_T", bound="Installed")

__all__ = ["RUN_REGISTRY", "Installed", "registry_path"]

_PATIENCE = 60.0
"""Seconds that a thread waits while another one loads plugins. A plugin whose import waits for a thread
that itself asks for plugins would otherwise wait for ever."""

RUN_REGISTRY = "registry.yaml"
"""The registry's name in the folder of a training run."""


class Installed:
    """Plugins, registries and the store of artifacts, as one view of what there is.

    What is installed is looked up when it is first needed, once, whatever thread asks; a registry file or a
    plugin that comes later is seen by a new `Zoo`. It can be pickled, and then finds the same things in
    another process.

    Parameters
    ----------
    registries
        Registry files of your own models, or folders of training runs, beside the built-in ones.
    plugins
        Distributions or entry points to use; by default those that `SIGZOO_PLUGINS` names, else all.
    home
        Folder of the cache; by default `SIGZOO_HOME`, else pooch's folder for sigzoo.
    offline
        Whether the network must not be used; by default what `SIGZOO_OFFLINE` says.

    Raises
    ------
    UsageError
        If `plugins` is one text: a list of names is meant.
    """

    def __init__(
        self,
        registries: Iterable[str | os.PathLike[str]] = (),
        plugins: Iterable[str] | None = None,
        home: str | os.PathLike[str] | None = None,
        offline: bool | None = None,
    ) -> None:
        if isinstance(registries, str | os.PathLike):
            registries = [registries]
        if isinstance(plugins, str):
            raise UsageError(f"plugins is a list of names, got the text {plugins!r}.")
        self._registries = tuple(os.fspath(each) for each in registries)
        self._plugins = chosen_plugins() if plugins is None else tuple(plugins)
        self._home = None if home is None else os.path.abspath(os.path.expanduser(home))  # noqa: PTH100, PTH111
        self._offline = offline
        self._lock = threading.RLock()
        self._loading = False
        self._core: Registry | None = None
        self._manager: PluginManager | None = None
        self._catalogue: Catalogue | None = None

    @property
    def named_files(self) -> list[Path]:
        """The registry files that decide what is known, the core's first."""
        return [core_registry_path(), *map(registry_path, self._registries)]

    @property
    def chosen_plugins(self) -> tuple[str, ...] | None:
        """The plugins that were chosen by name; `None` where all are used."""
        return self._plugins

    @classmethod
    def from_environment(cls, registries: Iterable[str | os.PathLike[str]] = ()) -> Self:
        """The zoo that the environment describes: `SIGZOO_REGISTRY`, and `registries` after those.

        `SIGZOO_PLUGINS`, `SIGZOO_HOME` and `SIGZOO_OFFLINE` decide the rest.
        """
        named = [name for name in os.environ.get("SIGZOO_REGISTRY", "").split(os.pathsep) if name]
        return cls([*named, *registries])

    def with_registries(self, registries: Iterable[str | os.PathLike[str]]) -> Self:
        """A zoo that knows these registries, too, and is otherwise like this one."""
        return type(self)([*self._registries, *registries], self._plugins, self._home, self._offline)

    def seen_as(self, kind: type[_T]) -> _T:
        """The same plugins, registries and store, as an object of a subclass."""
        view = kind.__new__(kind)
        view.__dict__ = self.__dict__
        return view

    def __repr__(self) -> str:
        given = {"registries": self._registries or None, "plugins": self._plugins, "home": self._home}
        shown = ", ".join(f"{key}={value!r}" for key, value in given.items() if value is not None)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._registries, self._plugins, self._home, self._offline)

    # Plugins

    @property
    def manager(self) -> PluginManager:
        """The plugins.

        Raises
        ------
        PluginError
            If a plugin failed and ``SIGZOO_STRICT=1``, or if a plugin asks for plugins at its import.
        """
        with self._building():
            if self._manager is None:
                if self._loading:
                    raise PluginError(
                        "it asks sigzoo for models or plugins while it is being imported itself"
                    )
                self._manager = self._load_plugins()
            return self._manager

    def _load_plugins(self) -> PluginManager:
        found, unknown = allowed(discover(), self._plugins)
        self._loading = True
        try:
            loaded = PluginManager(found, self._owners)
        finally:
            self._loading = False
        for name in unknown:
            report_unknown(name)
        for plugin in loaded.plugins:
            if not plugin.healthy:
                report(plugin)
        return loaded

    @contextmanager
    def _building(self) -> Iterator[None]:
        """Let one thread at a time find out what there is."""
        if not self._lock.acquire(timeout=_PATIENCE):
            who = now_loading() or "a plugin"
            raise PluginError(
                f"{who} has been loading for {_PATIENCE:.0f} seconds; `sigzoo plugins check` tells why"
            )
        try:
            yield
        finally:
            self._lock.release()

    def list_components(self, kind: str) -> list[str]:
        """Names of what the plugins provide: ``zoo.list_components("backbone")``.

        Parameters
        ----------
        kind
            One of `sigzoo.plugins.KINDS`.
        """
        return sorted(self.manager.provided(kind))

    def component(self, kind: str, name: str) -> Any:
        """What is registered under a name: a class, or for presets and commands an object.

        Raises
        ------
        UnknownNameError
            If no installed plugin provides it, or there is no such kind; with the nearest names.
        PluginError
            If its plugin is broken.
        """
        return self.manager.find(kind, name)

    def owner(self, kind: str, name: str) -> str | None:
        """The distribution that has a component's name, or keeps it by the core's registry; else `None`."""
        here = self.manager.provided(kind).get(name)
        return self._owners.get(f"{kind} {name}") or (here.distribution if here else None)

    def build(self, kind: str, name: str, /, **options: Any) -> Any:
        """Build a component with options: ``zoo.build("runtime", "torch", backbone=net)``.

        Raises
        ------
        UnknownNameError, PluginError
            As `component` does.
        UsageError
            If it does not take the options.
        """
        return self.manager.build(kind, name, options)

    def backbone(self, name: str, /, **options: Any) -> Backbone:
        """Build a backbone with random weights; raises as `build` does."""
        built: Backbone = self.build("backbone", name, **options)
        return built

    def preprocessor(self, name: str, /, **options: Any) -> Preprocessor:
        """Build a preprocessor; raises as `build` does."""
        built: Preprocessor = self.build("preprocessor", name, **options)
        return built

    def loss(self, name: str, /, **options: Any) -> Loss:
        """Build a loss; raises as `build` does."""
        built: Loss = self.build("loss", name, **options)
        return built

    # Models

    @property
    def catalogue(self) -> Catalogue:
        """All models and artifacts by name: the core's, each plugin's, and those of the user's registries.

        A plugin whose registry is not valid is left out and told of; the rest works.

        Raises
        ------
        RegistryError
            If the core's registry or one of the user's is not valid.
        """
        with self._building():
            if self._catalogue is None:
                self._catalogue = self._read_registries()
            return self._catalogue

    def read_catalogue(self) -> None:
        """Read every registry now; what is wrong with a plugin's is in its record afterwards."""
        _ = self.catalogue

    def _read_registries(self) -> Catalogue:
        accepted = [(self._core_registry, "sigzoo")]
        known = _together(accepted)
        for plugin in self.manager.plugins:
            try:
                brought = [(read_registry(path), plugin.distribution) for path in plugin.registries]
                if brought:
                    known = _together([*accepted, *brought])
                    accepted += brought
            except Exception as error:  # whatever the path or the file may be: the other plugins still work
                plugin.fail(str(error) if isinstance(error, RegistryError) else describe(error))
                report(plugin)
        paths = [registry_path(each) for each in self._registries]
        return (
            _together([*accepted, *((read_registry(path), str(path)) for path in paths)]) if paths else known
        )

    @property
    def _core_registry(self) -> Registry:
        if self._core is None:
            self._core = read_registry(core_registry_path())
        return self._core

    @property
    def _owners(self) -> dict[str, str]:
        return component_owners(self._core_registry)

    def list_models(self, pattern: str | None = None) -> list[str]:
        """Names of the models, the default's first: ``zoo.list_models("signet-f*")``.

        Raises
        ------
        UnknownNameError
            If the pattern has no wildcard and is no model's name; with the nearest names.
        """
        return self.catalogue.search(pattern)

    def info(self, name: str) -> Card:
        """The card of a model, by its name or an alias.

        Raises
        ------
        UnknownNameError
            If there is no such model; with the nearest names.
        """
        return self.catalogue.models[self.resolve(name)]

    def resolve(self, name: str | None = None) -> str:
        """The registry's name of a model, from an alias, or of the default model.

        Raises
        ------
        UnknownNameError
            If there is no such model; with the nearest names.
        PluginError
            If it is the default model and the distribution that brings it is not installed, or is broken.
        UsageError
            If no name is given and no registry has a default, or the name is no text.
        """
        known = self.catalogue
        if name is None:
            name = known.default
            if name is None:
                raise UsageError("There is no default model; name one of `sigzoo list`.")
        if not isinstance(name, str):
            raise UsageError(f"A model's name must be a string, got {type(name).__name__}.")
        if name == known.default and not known.is_taken(name) and known.default_distribution:
            requirements.require_distribution(
                f"The default model {name!r}",
                known.default_distribution,
                self.manager,
                chosen=self._plugins is not None,
            )
        return known.resolve(name)

    def missing_distributions(self, card: Card) -> list[str]:
        """Name the distributions that must be installed, or mended, before a card can be loaded."""
        return requirements.missing_distributions(card, self.manager, self._owners)

    def require_components(self, name: str, card: Card) -> None:
        """Say which distribution a model needs, where it is not there or does not work.

        Raises
        ------
        PluginError
            If the plugin of the card's backbone or preprocessor is not installed, or was left out.
        """
        chosen = self._plugins is not None
        requirements.require_components(name, card, self.manager, self._owners, chosen=chosen)

    # Files

    def artifact_names(self, pattern: str | None = None) -> list[str]:
        """Names of artifacts; with a pattern those that match it, or that the models that match it need.

        Raises
        ------
        UnknownNameError
            If the pattern has no wildcard and is neither an artifact's nor a model's name.
        """
        known = self.catalogue
        if pattern is None:
            return list(known.artifacts)
        if pattern in known.artifacts:
            return [pattern]
        try:
            models = known.search(pattern)
        except UnknownNameError as error:
            raise UnknownNameError("model or artifact", pattern, [*known.models, *known.artifacts]) from error
        found = [name for name in known.artifacts if fnmatchcase(name, pattern)]
        needed = [each for name in models for each in known.models[name].files.values()]
        return list(dict.fromkeys([*found, *needed]))

    def artifact_specs(self, name: str) -> list[ArtifactSpec]:
        """What must be fetched for an artifact or a model, one entry a file.

        Parameters
        ----------
        name
            An artifact (``hafemann-examples``), one file of a collection
            (``hafemann-examples/a1.png``), or a model.

        Raises
        ------
        UnknownNameError
            If there is nothing of that name.
        """
        artifact, _, file = name.partition("/")
        if artifact not in self.catalogue.artifacts:
            return [spec for each in self.artifact_names(name) for spec in self.artifact_specs(each)]
        return specs_of(artifact, self.catalogue.artifacts[artifact], file)

    def artifact_spec(self, name: str) -> ArtifactSpec:
        """The one file behind a name; see `artifact_specs`.

        Raises
        ------
        UnknownNameError
            If there is nothing of that name, or it stands for several files.
        """
        specs = self.artifact_specs(name)
        if len(specs) != 1:
            raise UnknownNameError("single artifact", name, [spec.name for spec in specs])
        return specs[0]

    def fetch(self, name: str, *, require_hash: bool = False) -> list[Path]:
        """Fetch and verify the files of a model or artifact; see `sigzoo.fetch`."""
        return [self.fetch_spec(spec, require_hash=require_hash) for spec in self.artifact_specs(name)]

    def fetch_spec(self, spec: ArtifactSpec, *, require_hash: bool = False) -> Path:
        """Fetch and verify one file into this zoo's store; raises as `fetch` does."""
        from sigzoo.artifacts import fetch_with_bar

        with self.store():
            return fetch_with_bar(spec, require_hash=require_hash)

    @contextmanager
    def store(self) -> Iterator[None]:
        """Let what the block does with artifacts use this zoo's cache folder and offline mode."""
        with store(self._home, self._offline):
            yield


def _together(registries: Iterable[tuple[Registry, str]]) -> Catalogue:
    """Put registries into one, and check what only shows there: names, references, files."""
    known = Catalogue()
    for registry, origin in registries:
        known.add(registry, origin)
        check_artifacts(registry, known)
    return known


def registry_path(named: str) -> Path:
    """The registry file that a name stands for: a file, or the one in the folder of a run."""
    path = Path(os.path.expanduser(named))  # noqa: PTH111 leaves "~nobody" as it is
    return path / RUN_REGISTRY if path.is_dir() else path
