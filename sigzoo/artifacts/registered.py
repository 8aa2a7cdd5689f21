"""From a registry's entry to the files that must be fetched for it."""

from __future__ import annotations

from sigzoo.artifacts.spec import ArtifactSpec, Member
from sigzoo.errors import ArtifactError, RegistryError, UnknownNameError
from sigzoo.registry import Artifact, Catalogue, Registry

__all__ = ["check_artifacts", "single_spec", "specs_of"]


def specs_of(name: str, entry: Artifact, file: str = "") -> list[ArtifactSpec]:
    """The files of an artifact, or the one of a collection or an archive that `file` names.

    Raises
    ------
    UnknownNameError
        If it has no such file.
    ArtifactError
        If what is known of a file cannot be right.
    """
    if not entry.files:
        whole = single_spec(name, entry)
        if not file:
            return [whole]
        inside = whole.of_member(file)
        if inside is None:
            raise UnknownNameError(f"file of {name}", file, entry.members)
        return [inside]
    if file and file not in entry.files:
        raise UnknownNameError(f"file of {name}", file, entry.files)
    return [_one_of_many(name, entry, each) for each in ([file] if file else entry.files)]


def check_artifacts(registry: Registry, known: Catalogue) -> None:
    """Refuse an artifact that could never be fetched, before a list of models stumbles over it.

    Raises
    ------
    RegistryError
        If an artifact's description contradicts itself, or a card's weights or calibration
        are a whole collection.
    """
    for name, entry in registry.artifacts.items():
        try:
            for file in ("", *entry.members):
                specs_of(name, entry, file)
        except ArtifactError as error:
            raise RegistryError(f"{registry.path}: artifacts.{name}: {error}") from error
    for name, card in registry.models.items():
        for key, wanted in card.files.items():
            artifact, _, file = wanted.partition("/")
            if len(specs_of(artifact, known.artifacts[artifact], file)) != 1:
                raise RegistryError(
                    f"{registry.path}: models.{name}.{key}: {artifact!r} is a collection;"
                    f" name one file of it, `{artifact}/FILE`."
                )


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
        members=tuple(
            Member(inside, tuple(known.urls), known.sha256, known.git_blob, known.size)
            for inside, known in entry.members.items()
        ),
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
