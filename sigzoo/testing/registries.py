"""What a registry fragment must tell: licences, training data, papers, and where digests come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sigzoo.artifacts.registered import single_spec
from sigzoo.artifacts.urls import package_file, scheme
from sigzoo.artifacts.verification import verify
from sigzoo.errors import SigzooError
from sigzoo.registry import Artifact, Card, Catalogue, Registry, core_registry_path, read_registry
from sigzoo.registry.cards import with_tuples
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.testing.suites import ConformanceFailure, Suite, expect
from sigzoo.zoo import default_zoo

__all__ = ["REGISTRY", "RegistryCase", "check_registry"]

_SCHEMES = ("https", "http", "gdrive", "package")
_EMPTY_WORDS = frozenset({"", "-", "?", "fixme", "n/a", "none", "tba", "tbd", "todo", "unknown", "xxx"})


@dataclass(frozen=True)
class RegistryCase:
    """A registry file under test."""

    path: Path

    @cached_property
    def registry(self) -> Registry:
        """The file, read strictly."""
        return read_registry(self.path)

    def cards(self) -> Iterator[tuple[str, Card]]:
        """Its models, by where they stand."""
        for name, card in self.registry.models.items():
            yield f"models.{name}", card

    def artifacts(self) -> Iterator[tuple[str, str, Artifact]]:
        """Its artifacts, by where they stand and by name."""
        for name, artifact in self.registry.artifacts.items():
            yield f"artifacts.{name}", name, artifact


REGISTRY: Suite[RegistryCase] = Suite()


def check_registry(path: str | Path, *, skip: tuple[str, ...] = ()) -> None:
    """Check that a registry fragment is valid and complete.

    Parameters
    ----------
    path
        The file.
    skip
        Names of checks to leave out: those of ``sigzoo.testing.REGISTRY.checks``.

    Raises
    ------
    ConformanceFailure
        If it is not; a line for each check that failed.
    """
    REGISTRY.run(RegistryCase(Path(path)), str(path), skip)


def _says_something(text: str) -> bool:
    return text.strip().strip(".!").lower() not in _EMPTY_WORDS


@REGISTRY.check
def valid(case: RegistryCase) -> None:
    """The file follows the schema, holds something, and goes with the core's registry."""
    expect(case.registry.models or case.registry.artifacts, "holds neither models nor artifacts")
    together = Catalogue()
    if case.path.resolve() != core_registry_path().resolve():
        together.add(read_registry(core_registry_path()), "sigzoo")
    together.add(case.registry, "this file")


@REGISTRY.check
def licences(case: RegistryCase) -> None:
    """Each model names the licence of its code and that of its weights."""
    for where, card in case.cards():
        for part in ("code", "weights"):
            licence = getattr(card.licence, part)
            expect(_says_something(licence), f"{where}.licence.{part} says nothing: {licence!r}")


@REGISTRY.check
def training_data(case: RegistryCase) -> None:
    """Each model says what it is, and what it was trained on."""
    for where, card in case.cards():
        for key in ("summary", "trained_on"):
            text = getattr(card, key)
            expect(_says_something(text), f"{where}.{key} says nothing: {text!r}")


@REGISTRY.check
def citations(case: RegistryCase) -> None:
    """Each model names at least one paper or other source to cite, and each of those has a text."""
    for where, card in case.cards():
        expect(card.cite, f"{where}.cite is empty: name a paper, or the page where the model is described")
    for name, citation in case.registry.citations.items():
        expect(_says_something(citation.text), f"citations.{name}.text says nothing: {citation.text!r}")


@REGISTRY.check
def results(case: RegistryCase) -> None:
    """Each figure says where it comes from."""
    for where, card in case.cards():
        for index, each in enumerate(card.results):
            expect(_says_something(each.how), f"{where}.results[{index}].how says nothing: {each.how!r}")


@REGISTRY.check
def digests(case: RegistryCase) -> None:
    """Each file has a digest and a size, and the digest a provenance."""
    for where, _, artifact in case.artifacts():
        expect(
            _says_something(artifact.provenance), f"{where}.provenance says nothing: {artifact.provenance!r}"
        )
        expect(
            not artifact.unpinned,
            f"{where} is unpinned: download the file once, and state its SHA-256 and that you computed it",
        )
        expect(
            artifact.files or artifact.size is not None, f"{where}.size is missing: state the size in bytes"
        )


@REGISTRY.check
def addresses(case: RegistryCase) -> None:
    """Files lie where everybody can reach them; what the package itself holds is what the digest says."""
    for where, name, artifact in case.artifacts():
        for url in [*artifact.urls, *([artifact.base_url] if artifact.base_url else [])]:
            expect(
                scheme(url) in _SCHEMES,
                f"{where}: {url} is of no use to others; write an address of {', '.join(_SCHEMES)}",
            )
            inside = package_file(url) if artifact.urls else None
            if inside is not None:
                verify(inside, single_spec(name, artifact))


@REGISTRY.check
def components(case: RegistryCase) -> None:
    """Each model's backbone and preprocessor are provided by a plugin that is installed and works."""
    for where, card in case.cards():
        try:
            default_zoo().require_components(where, card)
        except Exception as error:
            expect(False, f"{where}: {error}")


@REGISTRY.check
def recipes(case: RegistryCase) -> None:
    """Each recipe can be followed: its loss is there and learns from a teacher, its settings are valid."""
    for where, card in case.cards():
        if card.recipe is None:
            continue
        try:
            DistillationSettings(
                teacher=card.recipe.teacher,
                data=card.recipe.data,
                backbone=card.backbone.name,
                loss=card.recipe.loss.name,
                output=Path(),
                **card.recipe.settings.given(),
            )
            loss = default_zoo().loss(card.recipe.loss.name, **with_tuples(card.recipe.loss.options))
        except SigzooError as error:
            raise ConformanceFailure(f"{where}.recipe: {error}") from error
        expect(
            loss.needs & {"teacher_features", "teacher_logits"},
            f"{where}.recipe.loss: {card.recipe.loss.name!r} learns from no teacher",
        )
