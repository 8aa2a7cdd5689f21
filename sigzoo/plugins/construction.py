"""Building what a plugin offers, and saying in the caller's words which options do not fit."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from sigzoo.errors import PluginError, SigzooError, UsageError
from sigzoo.plugins.components import Provided, describe
from sigzoo.plugins.plugin_code_guard import foreign_code

_CALLED = re.compile(r"^[\w.<>]+\(\) ")
"""What Python puts in front of a `TypeError` about arguments: a class that the caller never named."""


def build(item: Provided, target: type[Any], options: Mapping[str, Any]) -> Any:
    """Build an object of a plugin's class, with the plugin's defaults overridden by `options`.

    Raises
    ------
    PluginError
        If it fails while it is built.
    UsageError
        If the class does not take the options.
    """
    arguments = {**item.defaults, **options}
    _check_options(item, target, arguments)
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no options"
    try:
        with foreign_code():
            return target(**arguments)
    except (KeyboardInterrupt, GeneratorExit, SigzooError):
        raise
    except (TypeError, ValueError) as error:
        reason = _CALLED.sub("", str(error))
        raise UsageError(f"The {item} cannot be built with {given}: {reason}.") from error
    except BaseException as error:
        raise PluginError(
            f"The {item} of {item.distribution} cannot be built with {given}: {describe(error)}."
        ) from error


def _check_options(item: Provided, target: type[Any], arguments: Mapping[str, Any]) -> None:
    """Compare the options' names with those that the class takes, where it says which."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return
    taken = {each.name: each for each in parameters if each.kind in _BY_NAME}
    strange = [] if any(each.kind is Parameter.VAR_KEYWORD for each in parameters) else set(arguments)
    unknown = sorted(set(strange) - set(taken))
    absent = [
        name for name, each in taken.items() if each.default is Parameter.empty and name not in arguments
    ]
    if not unknown and not absent:
        return
    wrong = f"takes no option {', '.join(map(repr, unknown))}" if unknown else f"needs {', '.join(absent)}"
    listed = ", ".join(_shown(each, item) for each in taken.values())
    known = f"its options are {listed}" if listed else "it has no options"
    raise UsageError(f"The {item} {wrong}; {known}.")


_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def _shown(parameter: Parameter, item: Provided) -> str:
    """An option as one writes it, with the value that it has when nobody gives one."""
    default = item.defaults.get(parameter.name, parameter.default)
    return parameter.name if default is Parameter.empty else f"{parameter.name}={default!r}"
