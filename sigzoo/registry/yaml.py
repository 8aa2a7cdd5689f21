"""Reading YAML from strangers: plain data only, nothing that explodes, no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sigzoo.common.bounded_files import read_bounded
from sigzoo.common.limits import MAX_DIGITS, MAX_YAML, MAX_YAML_DEPTH, MAX_YAML_NODES
from sigzoo.errors import RegistryError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_yaml(path: Path) -> Any:
    """Parse a YAML file into dicts, lists and scalars.

    Raises
    ------
    RegistryError
        If the file cannot be read, is over 4 MiB or 100,000 entries, is no YAML, nests deeper than 24
        levels, or holds a tag, an anchor, an alias, a duplicate key, or a number in base 60 or of over 40
        digits; with file and path.
    """
    text = _text(path)
    try:
        _scan(text, path)
        loader = _LOADER(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise RegistryError(f"{path}: not valid YAML: {' '.join(str(error).split()):.400}") from error


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            # A pipe would keep every command waiting for somebody to write into it.
            raise RegistryError(f"{path}: is a folder or device, not a file.")
    except OSError as error:
        raise RegistryError(f"{path}: cannot be read: {error.strerror or error}.") from error
    content = read_bounded(path, MAX_YAML, RegistryError, "no registry is")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RegistryError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}.") from error


class _Level:
    """One open mapping or sequence while scanning."""

    def __init__(self, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.keys: set[str] = set()
        self.here = ""
        self.expects_key = is_mapping
        self.index = -1

    def step(self, value: str | None) -> bool:
        """Take one child (its text where it is a scalar); tell whether it repeats a key."""
        if not self.is_mapping:
            self.index += 1
            self.here = f"[{self.index}]"
            return False
        if not self.expects_key:
            self.expects_key = True
            return False
        self.expects_key = False
        self.here = "<a key that is no word>" if value is None else value[:80]
        repeated = (value or self.here) in self.keys
        self.keys.add(value or self.here)
        return repeated


def _scan(text: str, path: Path) -> None:
    """Refuse what plain data does not need, before anything is built from it."""
    levels: list[_Level] = []
    nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            levels.pop()
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if nodes > MAX_YAML_NODES:
                raise RegistryError(f"{path}: over {MAX_YAML_NODES} entries, which no registry has.")
            value = event.value if isinstance(event, yaml.ScalarEvent) else None
            repeated = bool(levels) and levels[-1].step(value)
            where = f"{path}: {dotted([level.here for level in levels]) or 'top level'}"
            if repeated:
                raise RegistryError(f"{where}: duplicate key.")
            if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
                raise RegistryError(f"{where}: anchors and aliases are not allowed.")
            if getattr(event, "tag", None) not in (None, "!"):
                raise RegistryError(f"{where}: tags are not allowed, got {event.tag!r:.80}.")  # type: ignore[attr-defined]
            if isinstance(event, yaml.ScalarEvent) and _is_absurd_number(event):
                raise RegistryError(
                    f"{where}: {event.value[:40]!r} would be a number in base 60, or of over {MAX_DIGITS}"
                    " digits; put quotes around a text."
                )
            if isinstance(event, yaml.CollectionStartEvent):
                if len(levels) == MAX_YAML_DEPTH:
                    raise RegistryError(f"{path}: nested deeper than {MAX_YAML_DEPTH} levels.")
                levels.append(_Level(isinstance(event, yaml.MappingStartEvent)))


def _is_absurd_number(event: yaml.ScalarEvent) -> bool:
    """Whether YAML 1.1 would take a word for a number that takes quadratic time to make."""
    value = event.value
    if not event.implicit[0] or not value:
        return False
    resolvers = _LOADER.yaml_implicit_resolvers.get(value[0], ())
    tag = next((tag for tag, pattern in resolvers if pattern.match(value)), None)
    return tag in _NUMBERS and (":" in value or len(value) > MAX_DIGITS)


def dotted(parts: list[str]) -> str:
    """Join the parts of a path: ``models.signet.results[0]``."""
    return ".".join(parts).replace(".[", "[")
