"""Several registries in one: names, aliases, deprecations, wildcards, "did you mean"."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from sigzoo.common.messages import quoted, shortened
from sigzoo.common.terminal import safe_text
from sigzoo.errors import RegistryError, SigzooWarning, UnknownNameError
from sigzoo.registry.cards import Artifact, Card, Citation
from sigzoo.registry.registry_files import Registry


class Catalogue:
    """All models and artifacts that are known, by name; no name stands twice."""

    def __init__(self) -> None:
        self.models: dict[str, Card] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.citations: dict[str, Citation] = {}
        self.default: str | None = None
        self.default_distribution: str | None = None
        self._aliases: dict[str, str] = {}
        self._deprecated: set[str] = set()
        self._origin: dict[str, str] = {}

    def add(self, registry: Registry, origin: str) -> None:
        """Take in a registry, whole or not at all.

        Parameters
        ----------
        registry
            A checked registry.
        origin
            Who brings it, for error messages: a distribution's name or a file's path.

        Raises
        ------
        RegistryError
            If a name in it is taken, or a card refers to an artifact that nobody has.
        """
        for kind, name in _names(registry):
            owner = self._origin.get(f"{kind} {name}")
            if owner is not None:
                raise RegistryError(f"{registry.path}: the {kind} name {name!r} is taken by {owner}.")
        self._check_references(registry)
        self._origin.update({f"{kind} {name}": origin for kind, name in _names(registry)})
        self.models.update(registry.models)
        self.artifacts.update(registry.artifacts)
        for key, citation in registry.citations.items():
            self.citations.setdefault(key, citation)
        for name, card in registry.models.items():
            self._aliases.update(dict.fromkeys([*card.aliases, *card.deprecated_aliases], name))
            self._deprecated.update(card.deprecated_aliases)
        if self.default is None:
            self.default, self.default_distribution = registry.default, registry.default_distribution

    def _check_references(self, registry: Registry) -> None:
        artifacts = {**self.artifacts, **registry.artifacts}
        models = {**self.models, **registry.models}
        for name, card in registry.models.items():
            wanted = dict(card.files)
            if card.recipe is not None:
                wanted["recipe.data"] = card.recipe.data
                _check_teacher(f"{registry.path}: models.{name}", name, card, models)
            for index, case in enumerate(card.golden):
                for item in [*case.images, *([case.features] if case.features else [])]:
                    wanted[f"golden[{index}]: {item}"] = item
            for key, reference in wanted.items():
                artifact, _, file = reference.partition("/")
                if artifact not in artifacts or (file and not _holds(artifacts[artifact], file)):
                    where = f"{registry.path}: models.{name}.{safe_text(shortened(key, 120))}"
                    raise RegistryError(f"{where}: no artifact {quoted(reference)}.")

    def origin(self, name: str) -> str:
        """Who brought the model `name`: ``sigzoo``, a distribution, or the path of a user's registry.

        Parameters
        ----------
        name
            Of a model.

        Returns
        -------
        str
            For messages.
        """
        return self._origin[f"model {name}"]

    def resolve(self, name: str) -> str:
        """Turn a name or an alias into the model's name.

        Parameters
        ----------
        name
            A name or an alias.

        Returns
        -------
        str
            The model's name.

        Raises
        ------
        UnknownNameError
            If nothing is called so; with the nearest names.
        """
        if name in self.models:
            return name
        if name in self._aliases:
            target = self._aliases[name]
            if name in self._deprecated:
                warnings.warn(
                    f"The name {name!r} is deprecated; use {target!r}.", SigzooWarning, stacklevel=3
                )
            return target
        raise UnknownNameError("model", name, [*self.models, *self._aliases], "`sigzoo list` shows all.")

    def is_taken(self, name: str) -> bool:
        """Whether a model is called so, by its name or an alias.

        Parameters
        ----------
        name
            What somebody wants to call a model.

        Returns
        -------
        bool
            Aliases count.
        """
        return name in self.models or name in self._aliases

    def search(self, pattern: str | None = None) -> list[str]:
        """Names of models, the default's first, then in the registries' order.

        A pattern has ``*``, ``?`` and ``[...]``; it matches names and aliases. Without a wildcard it must be
        one of them.

        Parameters
        ----------
        pattern
            A name, or a pattern with ``*`` and ``?``; all models without one.

        Returns
        -------
        list of str
            The default's name first.

        Raises
        ------
        UnknownNameError
            If the pattern has no wildcard and is no name.
        """
        if pattern is None:
            return sorted(self.models, key=lambda name: name != self.default)
        if not any(character in pattern for character in "*?["):
            return [self.resolve(pattern)]
        return [
            name for name in self.models if any(fnmatchcase(each, pattern) for each in self._called(name))
        ]

    def _called(self, name: str) -> list[str]:
        return [name, *self.models[name].aliases]


def _check_teacher(where: str, name: str, card: Card, models: Mapping[str, Card]) -> None:
    """Refuse a recipe whose student could not learn from its teacher, or would see other images."""
    assert card.recipe is not None
    teacher = models.get(card.recipe.teacher)
    if teacher is None or card.recipe.teacher == name:
        what = "a model cannot teach itself" if teacher else f"no model {quoted(card.recipe.teacher)}"
        raise RegistryError(f"{where}.recipe.teacher: {what}.")
    writers = teacher.heads.get("writer")
    if writers is None:
        raise RegistryError(
            f"{where}.recipe.teacher: {card.recipe.teacher!r} keeps no writer head to learn from."
        )
    if card.heads.get("writer") != writers:
        raise RegistryError(
            f"{where}.heads: a student of {card.recipe.teacher!r} keeps a writer head of {writers} outputs."
        )
    if card.licence.commercial_use and not teacher.licence.commercial_use:
        raise RegistryError(
            f"{where}.licence.commercial_use: distilled from {card.recipe.teacher!r}, whose weights are not"
            " free for commercial use."
        )
    if (card.preprocessor, card.input_scale) != (teacher.preprocessor, teacher.input_scale):
        raise RegistryError(
            f"{where}.preprocessor: a student sees what its teacher sees, and {card.recipe.teacher!r} has"
            f" the preprocessor {teacher.preprocessor.name!r} with {teacher.preprocessor.options} and the"
            f" input_scale {teacher.input_scale:.6g}."
        )


def _holds(artifact: Artifact, file: str) -> bool:
    return file in artifact.files or file in artifact.members


def _names(registry: Registry) -> Iterator[tuple[str, str]]:
    for name, card in registry.models.items():
        yield "model", name
        for alias in [*card.aliases, *card.deprecated_aliases]:
            yield "model", alias
    for name in registry.artifacts:
        yield "artifact", name
