"""From a registry file to checked cards."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from sigzoo.common.messages import quoted, shortened
from sigzoo.common.terminal import safe_text
from sigzoo.errors import RegistryError
from sigzoo.registry.cards import (
    DISTRIBUTION,
    LONGEST_NAME,
    NAME,
    Artifact,
    Card,
    Citation,
    is_option_name,
    not_plain,
)
from sigzoo.registry.yaml import read_yaml

_T = TypeVar("_T")
_MSGSPEC_PATH = re.compile(r" - at `(?:key in )?\$(.*)`$")


@dataclass(frozen=True)
class Registry:
    """One registry file, checked."""

    path: Path
    default: str | None = None
    """Name of the model that is used where none is named."""
    default_distribution: str | None = None
    """The distribution that brings it, where this file does not."""
    models: Mapping[str, Card] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    citations: Mapping[str, Citation] = field(default_factory=dict)


def read_registry(path: str | Path) -> Registry:
    """Read and check a registry file.

    Parameters
    ----------
    path
        The YAML file.

    Returns
    -------
    Registry
        Models, artifacts and citations.

    Raises
    ------
    RegistryError
        If anything in it is unknown, of another type, out of range, a name that stands twice, or
        a reference to a citation that the file does not hold; with file and path of the entry,
        for instance ``models.signet.weights.format``.
    """
    path = Path(path)
    raw = read_yaml(path)
    with _LOCK:
        return _checked(path, raw)


_LOCK = threading.Lock()
"""msgspec describes a type at its first use, and crashes where two threads do so at once."""


def _checked(path: Path, raw: Any) -> Registry:
    if not isinstance(raw, dict):
        raise RegistryError(f"{path}: a registry is a mapping with `models` and `artifacts`.")
    sections = ("default", "models", "artifacts", "citations")
    for key in raw:
        if key not in sections:
            raise RegistryError(f"{path}: {_word(key)}: unknown key; known are {', '.join(sections)}.")
    default, distribution = _default(raw.get("default"), path)
    registry = Registry(
        path=path,
        default=default,
        default_distribution=distribution,
        models=_section(
            path, raw, "models", lambda entry, where: _convert(_components(entry, where), Card, where)
        ),
        artifacts=_section(
            path, raw, "artifacts", lambda entry, where: _located(_convert(entry, Artifact, where), path)
        ),
        citations=_section(path, raw, "citations", lambda entry, where: _convert(entry, Citation, where)),
    )
    _check_names(registry)
    return registry


def _default(raw: Any, path: Path) -> tuple[str | None, str | None]:
    """Name of the default model, and the distribution that brings it: a name, or both."""
    if raw is None or isinstance(raw, str):
        return raw, None
    both = isinstance(raw, dict) and set(raw) == {"model", "distribution"}
    if both and all(isinstance(each, str) for each in raw.values()):
        if not DISTRIBUTION.fullmatch(raw["distribution"]):
            raise RegistryError(
                f"{path}: default.distribution: expected the name of a distribution,"
                f" got {quoted(raw['distribution'])}."
            )
        return raw["model"], raw["distribution"]
    raise RegistryError(
        f"{path}: default: expected the name of a model, or `model` and `distribution`, got {quoted(raw)}."
    )


def _section(path: Path, raw: dict[Any, Any], key: str, read: Callable[[Any, str], _T]) -> dict[str, _T]:
    section = raw.get(key) or {}
    if not isinstance(section, dict):
        raise RegistryError(f"{path}: {key}: expected a mapping from names to entries.")
    for name in section:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise RegistryError(
                f"{path}: {key}.{_word(name)}: a name is lower-case letters and digits, joined by '.', '-'"
                " or '_'."
            )
        if len(name) > LONGEST_NAME:
            raise RegistryError(
                f"{path}: {key}.{_word(name)}: a name has at most {LONGEST_NAME} letters, got {len(name)}."
            )
    return {name: read(entry, f"{path}: {key}.{name}") for name, entry in section.items()}


def _located(artifact: Artifact, path: Path) -> Artifact:
    """Read a relative ``file:`` address from the folder of the registry that holds it."""
    base = artifact.base_url
    return msgspec.structs.replace(
        artifact,
        urls=[_absolute(url, path) for url in artifact.urls],
        base_url=None if base is None else _absolute(base, path),
    )


def _absolute(url: str, registry: Path) -> str:
    kind, _, place = url.partition(":")
    if kind.lower() != "file" or place.startswith("/"):
        return url
    found = (registry.absolute().parent / unquote(place)).as_uri()
    return f"{found}/" if place.endswith("/") else found


def _convert(entry: Any, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _MSGSPEC_PATH.search(message)
        inner = found.group(1) if found else ""
        reason = message[: found.start()] if found else message
        named = re.match(r"([a-z0-9_]+): ", reason)  # a `__post_init__` says which field it means
        if named:
            inner, reason = f"{inner}.{named.group(1)}", reason[named.end() :]
        field_name = re.search(r"(?:unknown|required) field `([^`]+)`", reason)
        if field_name:
            inner += f".{field_name.group(1)}"
        raise RegistryError(f"{where}{_word(inner)}: {_word(_plain(reason), 400)}.") from error


def _word(text: object, letters: int = 80) -> str:
    """A text of the file as a message shows it: of bounded length, in one line."""
    return safe_text(shortened(text, letters)) if isinstance(text, str) else quoted(text)


def _plain(reason: str) -> str:
    reason = re.sub(r"Object contains unknown field `[^`]+`", "unknown key", reason)
    reason = re.sub(r"Object missing required field `[^`]+`", "this key is missing", reason)
    return reason.replace("`", "").rstrip(".")


def _components(entry: Any, where: str) -> Any:
    """Bring ``name`` and ``{name: ..., option: ...}`` into one form."""
    if not isinstance(entry, dict):
        return entry
    entry = dict(entry)
    for key in ("backbone", "preprocessor", "score"):
        if key in entry:
            entry[key] = _component(entry[key], f"{where}.{key}")
    if isinstance(entry.get("recipe"), dict) and "loss" in entry["recipe"]:
        loss = _component(entry["recipe"]["loss"], f"{where}.recipe.loss")
        entry["recipe"] = {**entry["recipe"], "loss": loss}
    return entry


def _component(raw: Any, where: str) -> dict[str, Any]:
    if isinstance(raw, str):
        return {"name": raw, "options": {}}
    if (
        isinstance(raw, dict)
        and isinstance(raw.get("name"), str)
        and all(isinstance(key, str) for key in raw)
    ):
        options = {key: value for key, value in raw.items() if key != "name"}
        for key, value in options.items():
            if not is_option_name(key):
                raise RegistryError(f"{where}: an option's name is an identifier, got {quoted(key)}.")
            odd = not_plain(value)
            if odd:
                raise RegistryError(f"{where}.{key}: expected plain data, got {odd}.")
        return {"name": raw["name"], "options": options}
    raise RegistryError(f"{where}: expected a name, or a mapping with `name` and options, got {quoted(raw)}.")


def _check_names(registry: Registry) -> None:
    """Refuse an alias that is taken, and references to nothing inside the file."""
    taken = dict.fromkeys(registry.models, "")
    for name, card in registry.models.items():
        where = f"{registry.path}: models.{name}"
        for key in ("aliases", "deprecated_aliases"):
            for alias in getattr(card, key):
                if alias in taken:
                    owner = taken[alias] or alias
                    raise RegistryError(f"{where}.{key}: the name {alias!r} is taken by {owner!r}.")
                taken[alias] = name
        for paper in card.cite:
            if paper not in registry.citations:
                raise RegistryError(f"{where}.cite: {quoted(paper)} is not among the file's citations.")
    elsewhere = registry.default is None or registry.default_distribution is not None
    if not elsewhere and registry.default not in registry.models:
        raise RegistryError(
            f"{registry.path}: default: there is no model {quoted(registry.default)} in this file."
        )
