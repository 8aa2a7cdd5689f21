"""Values of strangers as text of a file: quoted, so that the same data are read back and nothing is run."""

from __future__ import annotations

import json
import keyword
from collections.abc import Mapping
from typing import Any

import yaml

from sigzoo.errors import SigzooError

__all__ = ["python_call", "toml_value", "yaml_value"]


def yaml_value(value: Any) -> str:
    """One line of YAML that can stand after a key, also inside ``{...}``.

    Raises
    ------
    SigzooError
        If it would not be read back as it is.
    """
    # Inside a list, PyYAML quotes what means something in ``[...]`` and ``{...}``, too.
    text = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), sort_keys=False).strip()[1:-1]
    if "\n" in text:
        text = json.dumps(value)
    if yaml.safe_load(f"[{text}]") != [value]:
        raise SigzooError(f"{value!r:.80} cannot be written as YAML.")
    return text


def toml_value(value: str) -> str:
    """A TOML string."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def python_call(function: str, name: str, options: Mapping[str, Any]) -> str:
    """A call with one positional text and keyword arguments: ``sigzoo.backbone('vgg', width=8)``.

    Raises
    ------
    SigzooError
        If the name of an option is none, so that it would be read as code.
    """
    for key in options:
        if not key.isidentifier() or keyword.iskeyword(key):
            raise SigzooError(f"{key!r:.80} cannot be the name of an option: no identifier.")
    arguments = [_python(name), *(f"{key}={_python(value)}" for key, value in options.items())]
    return f"{function}({', '.join(arguments)})"


def _python(value: Any) -> str:
    """A literal; types that have a `repr` of their own, which could be anything, are refused."""
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    if type(value) is str:
        return json.dumps(value) if value.isascii() else repr(value)
    if type(value) is list:
        return f"[{', '.join(map(_python, value))}]"
    if type(value) is tuple:
        return f"({''.join(f'{_python(each)}, ' for each in value).removesuffix(' ')})"
    if type(value) is dict:
        return "{" + ", ".join(f"{_python(key)}: {_python(each)}" for key, each in value.items()) + "}"
    raise SigzooError(f"A value of the type {type(value).__name__} cannot be written into a program.")
