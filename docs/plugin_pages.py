"""What the pages on plugins take from the code: hooks, examples, checks, and the registry's keys."""

from __future__ import annotations

import ast
import inspect
import re
from string import Template
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from sigzoo import hookspecs, testing
from sigzoo.plugins.kinds import KINDS, MODELS_HOOK
from sigzoo.registry import cards
from sigzoo.scaffold.kinds import SKELETONS, PluginKind
from sigzoo.scaffold.skeleton import TEMPLATES, template_values

PAGES: dict[PluginKind, str] = {
    "preprocessor": "preprocessors",
    "loss": "losses",
    "runtime": "runtimes",
    "weight-format": "weight-formats",
    "data-source": "data-sources",
    "sampler": "samplers",
    "preset": "presets",
    "protocol": "protocols",
    "command": "commands",
}
"""Kinds whose page shows what `sigzoo new-plugin` writes, and its name."""

ENTRIES: dict[str, type[msgspec.Struct]] = {
    "models": cards.Card,
    "backbone, preprocessor, loss, score": cards.ComponentSpec,
    "weights": cards.Weights,
    "features": cards.Features,
    "licence": cards.Licence,
    "results": cards.Result,
    "golden": cards.Golden,
    "verification": cards.CalibrationFile,
    "recipe": cards.Recipe,
    "artifacts": cards.Artifact,
    "files": cards.CollectionFile,
    "members": cards.ArchiveMember,
    "citations": cards.Citation,
}
"""Where each kind of entry stands in a registry file."""


def hooks() -> str:
    """The table of hooks: what they register, with which arguments, since which version."""
    lines = ["| hook | `register(...)` takes | a target is | since API |", "|---|---|---|---|"]
    for kind in KINDS.values():
        module, _, name = kind.interface.partition(":")
        public = f"sigzoo.interfaces.{name}" if module.startswith("sigzoo.") else f"{module}.{name}"
        what = "an instance" if kind.is_object else "a subclass"
        takes = "name, target" if kind.is_object else "name, target, options by default"
        _known(kind.hook)
        lines.append(f"| `{kind.hook}` | {takes} | {what} of `{public}` | {kind.since} |")
    _known(MODELS_HOOK)
    lines.append(f"| `{MODELS_HOOK}` | path of a registry file | | 1 |")
    return "\n".join(lines) + "\n"


def _known(hook: str) -> None:
    assert inspect.signature(getattr(hookspecs, hook)).parameters.keys() == {"register"}


def example(kind: PluginKind) -> str:
    """The component, its registration and its tests, as `sigzoo new-plugin` writes them."""
    skeleton = SKELETONS[kind]
    name = f"ourlab-{kind}"
    values = template_values(name, kind)
    package = values["package"]
    shown = [
        ("", f"package/{skeleton.module}.py"),
        ("It is registered lazily, so that listing imports nothing:\n\n", "package/__init__.py"),
        ("Its tests are the conformance checks, and your own:\n\n", "tests/test_plugin.py"),
    ]
    parts = []
    for before, file in shown:
        template = [TEMPLATES / layer / f"{file}.tmpl" for layer in skeleton.layers]
        text = Template([each for each in template if each.exists()][-1].read_text()).substitute(values)
        place = file.replace("package/", f"{package}/")
        parts.append(f"{before}`{place}`:\n\n```python\n{text}```\n")
    return "\n".join(parts)


def checks(kind: PluginKind) -> str:
    """The conformance checks of a kind, with what each asks."""
    suite = getattr(testing, kind.replace("-", "_").upper())
    lines = ["| check | asks |", "|---|---|"]
    for name, check in suite.checks.items():
        lines.append(f"| `{name}` | {_one_line(inspect.getdoc(check) or '')} |")
    return "\n".join(lines) + "\n"


def registry_keys() -> str:
    """A table for each kind of entry in a registry: key, type, whether it is needed, meaning."""
    return "\n".join(_entry(place, kind) for place, kind in ENTRIES.items())


def _entry(place: str, kind: type[msgspec.Struct]) -> str:
    meanings = _meanings(kind)
    types = get_type_hints(kind)
    lines = [
        f"### `{place}`\n\n{_one_line(inspect.getdoc(kind) or '')}\n",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for field in msgspec.structs.fields(kind):
        if kind is cards.ComponentSpec and field.name == "options":
            lines.append(f"| any other | plain data | | {meanings['options']} |")
            continue
        default = "needed" if field.required else _default(field)
        lines.append(f"| `{field.name}` | {_type(types[field.name])} | {default} | {meanings[field.name]} |")
    return "\n".join(lines) + "\n"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "" if value is None or value in ([], {}) or isinstance(value, msgspec.Struct) else f"`{value}`"


def _type(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_type(each) for each in inner if each is not type(None))
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in inner)
    if origin is list:
        return f"list of {_type(inner[0])}".replace("of see", "of entries, see")
    if origin is dict:
        return f"mapping to {_type(inner[1])}".replace("to see", "from names to entries, see")
    if origin is tuple:
        return " and ".join(_type(each) for each in inner)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    places = {entry: f"see `{place}`" for place, entry in ENTRIES.items()}
    found = names.get(hint) or places.get(hint)
    return found or f"settings of `sigzoo distill` ({hint.__name__})"


def _meanings(kind: type) -> dict[str, str]:
    """The docstrings below the fields of a class and of those that it inherits from."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__ != cards.__name__:
            continue
        (body,) = (node for node in ast.parse(inspect.getsource(each)).body if isinstance(node, ast.ClassDef))
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = _one_line(str(text.value.value))
    missing = {field.name for field in msgspec.structs.fields(kind)} - set(found)
    assert not missing, f"{kind.__name__}: no docstring below {', '.join(sorted(missing))}"
    return found


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("``", "`").replace("|", "\\|")).strip()
