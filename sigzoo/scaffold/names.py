"""Names that a new plugin can have: of its distribution, package, component and class."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys

import yaml

from sigzoo import plugins
from sigzoo.errors import UsageError
from sigzoo.zoo import default_zoo

__all__ = ["check_name", "class_name", "component_name", "package_name"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 60
_FOLDERS = frozenset({"build", "dist", "tests"})
"""What a project has of its own beside its package."""

_TAKEN_CLASSES = frozenset({"Backbone", "Sequence", "Tensor"})
"""Imported by the templates that use a class's name without a suffix."""


def component_name(distribution: str) -> str:
    """Name under which what a distribution brings is registered: without ``sigzoo``."""
    return distribution.removeprefix("sigzoo-").removesuffix("-sigzoo")


def package_name(distribution: str) -> str:
    """Name of the package in a distribution."""
    return distribution.replace("-", "_")


def class_name(component: str) -> str:
    """First part of the name of a component's class."""
    name = "".join(part.capitalize() for part in component.split("-"))
    free = name[0].isalpha() and not keyword.iskeyword(name) and name not in _TAKEN_CLASSES
    return name if free else f"Net{name}"


def check_name(name: str) -> None:
    """Refuse a distribution's name that something else has, or that a file of it would not bear.

    Raises
    ------
    UsageError
        Says what is wrong with it, and what it is taken by.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot be a distribution's name here: use lower-case letters, digits and single"
            f" hyphens, a letter first, at most {_LONGEST_NAME} characters."
        )
    if name == "check":
        raise UsageError("'check' cannot be a plugin's name: `sigzoo plugins check` means something else.")
    package, component = package_name(name), component_name(name)
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise UsageError(f"{name!r} cannot be a plugin's name: Python has a use for {package!r} of its own.")
    if package in _FOLDERS:
        raise UsageError(f"{name!r} cannot be a plugin's name: a project has a folder {package!r} already.")
    if yaml.safe_load(component) != component:
        raise UsageError(f"{name!r} cannot be a plugin's name: {component!r} is no text in YAML.")
    if importlib.util.find_spec(package) is not None:
        raise UsageError(
            f"{name!r} is taken: a package {package!r} is installed already. Choose another name."
        )
    _check_free(component)


def _check_free(component: str) -> None:
    """Refuse a name that the plugin manager would refuse."""
    zoo = default_zoo()
    for each in plugins.KINDS.values():
        owner = zoo.owner(each.name, component)
        if owner is not None:
            raise UsageError(
                f"The name {component!r} is taken by a {each.label} of {owner}. Choose another name."
            )
    if zoo.catalogue.is_taken(component):
        raise UsageError(f"The name {component!r} is taken by a model. Choose another name.")
