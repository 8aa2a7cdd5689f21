"""Everything that is installed, in one view: the core's registry, the plugins', the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from sigzoo import plugins
from sigzoo.artifacts.spec import ArtifactSpec
from sigzoo.errors import ArtifactError, PluginError, RegistryError, UnknownNameError
from sigzoo.plugins.components import describe
from sigzoo.plugins.discovery import discover
from sigzoo.registry import Artifact, Card, Catalogue, Registry, read_registry
from sigzoo.registry.core import component_keys, component_owners, core_registry

__all__ = ["artifact_names", "artifact_spec", "artifact_specs", "catalogue", "fetch", "info", "list_models"]


@cache
def catalogue() -> Catalogue:
    """All models and artifacts by name: the core's, each plugin's, and those of `SIGZOO_REGISTRY`.

    A plugin whose registry is not valid is left out and told of; the rest works.

    Raises
    ------
    RegistryError
        If the core's registry or one that the user named is not valid.
    """
    accepted = [(core_registry(), "sigzoo")]
    known = _together(accepted)
    for plugin in plugins.manager().plugins:
        try:
            brought = [(read_registry(path), plugin.distribution) for path in plugin.registries]
            if brought:
                known = _together([*accepted, *brought])
                accepted += brought
        except Exception as error:  # whatever the path or the file may be: the other plugins still work
            plugin.fail(str(error) if isinstance(error, RegistryError) else describe(error))
            plugins.report(plugin)
    named = [Path(os.path.expanduser(name)) for name in _user_registries()]  # noqa: PTH111 leaves "~nobody" as it is
    return _together([*accepted, *((read_registry(path), str(path)) for path in named)]) if named else known


def _user_registries() -> list[str]:
    return [name for name in os.environ.get("SIGZOO_REGISTRY", "").split(os.pathsep) if name]


def _together(registries: Iterable[tuple[Registry, str]]) -> Catalogue:
    """Put registries into one, and check what only shows there: names, references, files."""
    known = Catalogue()
    for registry, origin in registries:
        known.add(registry, origin)
        _check_files(registry, known)
    return known


def _check_files(registry: Registry, known: Catalogue) -> None:
    """Refuse an artifact that could never be fetched, before a list of models stumbles over it."""
    for name, entry in registry.artifacts.items():
        try:
            _specs(name, entry, "")
        except ArtifactError as error:
            raise RegistryError(f"{registry.path}: artifacts.{name}: {error}") from error
    for name, card in registry.models.items():
        if card.weights is None:
            continue
        artifact, _, file = card.weights.artifact.partition("/")
        if len(_specs(artifact, known.artifacts[artifact], file)) != 1:
            raise RegistryError(
                f"{registry.path}: models.{name}.weights.artifact: {artifact!r} is a collection;"
                f" name one file of it, `{artifact}/FILE`."
            )


def list_models(pattern: str | None = None) -> list[str]:
    """Names of the models, in the registry's order: ``sigzoo.list_models("signet-f*")``.

    Raises
    ------
    UnknownNameError
        If the pattern has no wildcard and is no model's name; with the nearest names.
    """
    return catalogue().search(pattern)


def info(name: str) -> Card:
    """The card of a model, by its name or an alias.

    Raises
    ------
    UnknownNameError
        If there is no such model; with the nearest names.
    """
    known = catalogue()
    return known.models[known.resolve(name)]


def missing_distributions(card: Card) -> list[str]:
    """Name the distributions that must be installed, or mended, before a card can be loaded."""
    manager = plugins.manager()
    provided = {f"{kind} {name}" for kind in ("backbone", "preprocessor") for name in manager.provided(kind)}
    owners = component_owners()
    missing = [owners.get(key, card.distribution) for key in component_keys(card) if key not in provided]
    return list(dict.fromkeys(missing))


def require_components(name: str, card: Card) -> None:
    """Say which distribution a model needs, where it is not there or does not work.

    Raises
    ------
    PluginError
        If the plugin of the card's backbone or preprocessor is not installed, or was left out.
    """
    missing = missing_distributions(card)
    if not missing:
        return
    loaded = plugins.manager()
    for key in component_keys(card):
        gone = loaded.withheld(*key.split(" ", 1))
        if gone is not None and gone[0].distribution in missing:
            plugin, entry = gone
            raise PluginError(
                f"The model {name!r} needs the {entry.item} of {plugin.distribution}, which was left out:"
                f" {entry.reason}. See `sigzoo plugins {plugin.distribution}`."
            )
    for plugin in loaded.plugins:
        if plugin.distribution not in missing:
            continue
        if plugin.failure is not None:
            raise PluginError(
                f"The model {name!r} needs {plugin.distribution}, which was left out: {plugin.failure}."
            )
        wanted = " and ".join(component_keys(card))
        raise PluginError(
            f"The model {name!r} needs the {wanted}; {plugin.distribution} {plugin.version} is installed"
            f" but does not provide all of that. See `sigzoo plugins {plugin.distribution}`."
        )
    installed = {found.distribution for found in discover()} if "SIGZOO_PLUGINS" in os.environ else set()
    if installed & set(missing):
        raise PluginError(
            f"The model {name!r} needs {' and '.join(missing)}, which SIGZOO_PLUGINS does not allow;"
            " add it there, or unset the variable."
        )
    raise PluginError(
        f"The model {name!r} needs the distribution {' and '.join(missing)}, which is not installed:"
        f" run `pip install {' '.join(missing)}`."
    )


def artifact_names(pattern: str | None = None) -> list[str]:
    """Names of artifacts; with a pattern those that match it, or that the models that match it need.

    Raises
    ------
    UnknownNameError
        If the pattern has no wildcard and is neither an artifact's nor a model's name.
    """
    from fnmatch import fnmatchcase

    known = catalogue()
    if pattern is None:
        return list(known.artifacts)
    if pattern in known.artifacts:
        return [pattern]
    try:
        models = known.search(pattern)
    except UnknownNameError as error:
        raise UnknownNameError("model or artifact", pattern, [*known.models, *known.artifacts]) from error
    found = [name for name in known.artifacts if fnmatchcase(name, pattern)]
    needed = [weights.artifact for name in models if (weights := known.models[name].weights)]
    return list(dict.fromkeys([*found, *needed]))


def artifact_specs(name: str) -> list[ArtifactSpec]:
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
    known = catalogue()
    artifact, _, file = name.partition("/")
    if artifact not in known.artifacts:
        return [spec for each in artifact_names(name) for spec in artifact_specs(each)]
    return _specs(artifact, known.artifacts[artifact], file)


def _specs(name: str, entry: Artifact, file: str) -> list[ArtifactSpec]:
    if not entry.files:
        return [single_spec(name, entry)]
    if file and file not in entry.files:
        raise UnknownNameError(f"file of {name}", file, entry.files)
    return [_one_of_many(name, entry, each) for each in ([file] if file else entry.files)]


def artifact_spec(name: str) -> ArtifactSpec:
    """The one file behind a name; see `artifact_specs`.

    Raises
    ------
    UnknownNameError
        If there is nothing of that name, or it stands for several files.
    """
    specs = artifact_specs(name)
    if len(specs) != 1:
        raise UnknownNameError("single artifact", name, [spec.name for spec in specs])
    return specs[0]


def fetch(name: str, *, require_hash: bool = False) -> list[Path]:
    """Fetch and verify the files of a model or artifact: ``sigzoo.fetch("signet")``.

    What is in the cache already is not fetched again. The licence is told at the first fetch.

    Parameters
    ----------
    name
        A model, an artifact, or one file of a collection.
    require_hash
        Refuse a file of which nobody published a digest.

    Returns
    -------
    list
        Paths in the cache (or inside an installed package), one a file; empty for a model that is
        made from a recipe.

    Raises
    ------
    UnknownNameError
        If there is nothing of that name; with the nearest names.
    ArtifactError
        If a file cannot be had or is not the published one; lists each URL with what went wrong.
    """
    from sigzoo.artifacts import fetch_with_bar

    return [fetch_with_bar(spec, require_hash=require_hash) for spec in artifact_specs(name)]


def single_spec(name: str, entry: Artifact) -> ArtifactSpec:
    """What must be fetched for an artifact that is one file."""
    return ArtifactSpec(
        name=name,
        urls=tuple(entry.urls),
        sha256=entry.sha256,
        git_blob=entry.git_blob,
        size=entry.size,
        unpinned=entry.unpinned,
        filename=entry.filename,
        licence_notice=entry.licence,
    )


def _one_of_many(name: str, entry: Artifact, file: str) -> ArtifactSpec:
    content = entry.files[file]
    return ArtifactSpec(
        name=name,
        urls=(f"{entry.base_url}{file}",),
        sha256=content.sha256,
        git_blob=content.git_blob,
        size=content.size,
        filename=file,
        licence_notice=entry.licence,
    )
