"""Building what a plugin offers, and saying in the caller's words which options do not fit."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from sigzoo.errors import PluginError, SigzooError, UsageError
from sigzoo.plugins.components import Component, describe
from sigzoo.plugins.containment import raised_by_user
from sigzoo.plugins.plugin_code_guard import plugin_code_guard

_CALLED = re.compile(r"^[\w.<>]+\(\) ")
"""What Python puts in front of a `TypeError` about arguments: a class that the caller never named."""


def build(component: Component, target: type[Any], options: Mapping[str, Any]) -> Any:
    """Build an object of a plugin's class, with the plugin's defaults overridden by `options`.

    Raises
    ------
    PluginError
        If it fails while it is built.
    UsageError
        If the class does not take the options.
    """
    arguments = {**component.defaults, **options}
    _check_options(component, target, arguments)
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no options"
    try:
        with plugin_code_guard():
            return target(**arguments)
    except SigzooError:
        raise
    except (TypeError, ValueError) as error:
        reason = _CALLED.sub("", str(error))
        raise UsageError(f"The {component} cannot be built with {given}: {reason}.") from error
    except BaseException as error:
        if raised_by_user(error):
            raise
        raise PluginError(
            f"The {component} of {component.distribution} cannot be built with {given}: {describe(error)}."
        ) from error


def _check_options(component: Component, target: type[Any], arguments: Mapping[str, Any]) -> None:
    """Compare the options' names with those that the class takes, where it says which."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return
    taken = {each.name: each for each in parameters if each.kind in _BY_NAME}
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
    unknown = [] if takes_any else sorted(set(arguments) - set(taken))
    missing = [
        name for name, each in taken.items() if each.default is Parameter.empty and name not in arguments
    ]
    if not unknown and not missing:
        return
    wrong = f"takes no option {', '.join(map(repr, unknown))}" if unknown else f"needs {', '.join(missing)}"
    listed = ", ".join(_shown(each, component) for each in taken.values())
    known = f"its options are {listed}" if listed else "it has no options"
    raise UsageError(f"The {component} {wrong}; {known}.")


_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def _shown(parameter: Parameter, component: Component) -> str:
    """An option as one writes it, with the value that it has when nobody gives one."""
    default = component.defaults.get(parameter.name, parameter.default)
    return parameter.name if default is Parameter.empty else f"{parameter.name}={default!r}"
