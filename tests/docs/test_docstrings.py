"""What is public says in its docstring what it takes, gives and raises, and has a place in the reference."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Function = Callable[..., Any]


def modules() -> dict[str, list[str]]:
    """Packages that the reference has, and the modules of each that have a page of their own."""
    from generators import api

    return api.MODULES


def public() -> Iterator[tuple[str, Function]]:
    """Functions, and methods of classes, that the modules of the reference list; hooks list none."""
    for package, inner in modules().items():
        for name in (package, *(f"{package}.{each}" for each in inner)):
            module = importlib.import_module(name)
            for listed in getattr(module, "__all__", ()):
                yield from _functions(f"{name}.{listed}", getattr(module, listed))


def _functions(name: str, found: Any) -> Iterator[tuple[str, Function]]:
    if inspect.isfunction(found):
        yield name, found
    elif inspect.isclass(found) and not issubclass(found, Exception):
        for each, member in vars(found).items():
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if inspect.isfunction(plain) and not each.startswith("_"):
                yield f"{name}.{each}", plain


def raised(function: Function) -> set[str]:
    """Names of the errors that stand in ``raise`` statements of a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    found = {
        ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    return {name for name in found if name.endswith("Error") and name != "NotImplementedError"}


def missing(function: Function) -> list[str]:
    """What the docstring of a function does not say."""
    text = inspect.getdoc(function) or ""
    parts = re.split(r"^(Parameters|Returns|Yields|Raises|Warns)\n-+\n", text, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    entries = re.findall(r"^\S.*$", said.get("Parameters", ""), re.MULTILINE)
    explained = {name.strip("* ") for line in entries for name in line.split(",")}
    signature = inspect.signature(inspect.unwrap(function))
    taken = [name for name in signature.parameters if name not in ("self", "cls")]
    found = [] if text else ["all"]
    found += [name for name in taken if name not in explained]
    gives = str(signature.return_annotation) not in ("None", str(inspect.Signature.empty))
    if taken and gives and not {"Returns", "Yields"} & set(said):
        found.append("Returns")
    if raised(function) and "Raises" not in said:
        found.append("Raises")
    return found


def test_what_is_public_says_what_it_takes_gives_and_raises() -> None:
    found = {name: missing(function) for name, function in public()}
    assert len(found) > 250
    assert {name: each for name, each in found.items() if each} == {}


def test_a_docstring_that_leaves_something_out_is_found() -> None:
    def function(one: int, two: int) -> int:
        """Add.

        Parameters
        ----------
        one
            A number.
        """
        raise ValueError(one + two)

    assert missing(function) == ["two", "Returns", "Raises"]


def test_the_reference_has_what_contributing_calls_public(docs: Path) -> None:
    text = (docs.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## What is public")[2].partition("Everything else")[0]
    named = {
        name
        for row in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    }
    assert named - {"registry.yaml", "sigzoo.hookimpl"} == set(modules())


@pytest.mark.parametrize("name", ["sigzoo.evaluation.metrics.equal_error", "sigzoo.load"])
def test_what_is_used_most_is_among_them(name: str) -> None:
    assert name in dict(public())
