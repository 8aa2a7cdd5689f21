"""Whether the state of an optimiser that a file holds is one that this run's optimiser would have.

torch checks the number of parameters and little else: a hyperparameter of another type ends in an error of
its own many lines later, and ``maximize`` in a run that climbs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sigzoo.common.messages import listed, quoted

__all__ = ["check_optimiser", "check_scaler", "check_tensors"]


def check_optimiser(state: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
    """Compare an optimiser's state with the run's own: settings exactly, numbers by shape and range.

    Raises
    ------
    ValueError
        With what differs.
    """
    own = optimiser.state_dict()
    groups, kept = state.get("param_groups"), state.get("state")
    if set(state) != set(own) or type(groups) is not list or not isinstance(kept, dict):
        raise ValueError("its optimiser has no param_groups and state")
    if len(groups) != len(own["param_groups"]):
        raise ValueError(f"its optimiser has {len(groups)} groups of parameters")
    for group, expected in zip(groups, own["param_groups"], strict=True):
        _check_group(group, expected)
    parameters = [each for group in optimiser.param_groups for each in group["params"]]
    template = _template(optimiser)
    for index, values in kept.items():
        if type(index) is not int or not 0 <= index < len(parameters):
            raise ValueError(f"its optimiser has a state for {quoted(index)}, which is no parameter")
        _check_state(index, values, parameters[index], template)


def _check_group(group: Any, expected: dict[str, Any]) -> None:
    if not isinstance(group, dict) or set(group) != set(expected):
        names = listed(sorted(map(str, group))) if isinstance(group, dict) else quoted(group)
        raise ValueError(f"a group of its optimiser has {names}, expected {listed(sorted(expected), 16)}")
    for key, value in group.items():
        if key == "lr":
            if type(value) not in (int, float) or not 0 <= value < 1e6:
                raise ValueError(f"its optimiser's lr is {quoted(value)}")
        elif key in ("momentum", "betas"):
            # A schedule may change them from step to step.
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(type(each) in (int, float) and 0 <= each < 1 for each in numbers) or (
                isinstance(value, tuple) != isinstance(expected[key], tuple)
                or len(numbers) != (2 if key == "betas" else 1)
            ):
                raise ValueError(f"its optimiser's {key} is out of range")
        elif type(value) is not type(expected[key]) or value != expected[key]:
            raise ValueError(f"its optimiser's {key} is another one than this run's")


def _template(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """What this kind of optimiser keeps of a parameter of shape (2, 3), after one step of its own."""
    kind: Any = type(optimiser)
    parameter = nn.Parameter(torch.ones(2, 3))
    groups = [{**optimiser.param_groups[0], "params": [parameter]}]
    twin = kind(groups)
    parameter.grad = torch.ones(2, 3)
    twin.step()
    return dict(twin.state[parameter])


def _check_state(index: int, values: Any, parameter: Tensor, template: dict[str, Any]) -> None:
    what = f"its optimiser's state of parameter {index}"
    if not isinstance(values, dict) or set(values) != set(template):
        names = listed(sorted(map(str, values))) if isinstance(values, dict) else quoted(values)
        raise ValueError(f"{what} has {names}, expected {listed(sorted(template)) or 'nothing'}")
    for key, expected in template.items():
        value = values[key]
        if isinstance(expected, Tensor):
            shape = parameter.shape if expected.shape == (2, 3) else expected.shape
            if not isinstance(value, Tensor) or value.shape != shape:
                found = tuple(value.shape) if isinstance(value, Tensor) else quoted(value)
                raise ValueError(f"{what}: {key} is {found}, expected a tensor of shape {tuple(shape)}")
            if value.is_floating_point() != expected.is_floating_point() or not bool(
                torch.isfinite(value).all()
            ):
                raise ValueError(f"{what}: {key} holds values of another kind, or that are not finite")
            if (key == "step" or key.endswith("_sq")) and bool((value < 0).any()):
                raise ValueError(f"{what}: {key} is negative")
        elif type(value) is not type(expected) or isinstance(value, dict | list | tuple):
            raise ValueError(f"{what}: {key} is {quoted(value)}, expected {quoted(expected)}")


def check_tensors(found: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    """Compare tensors with the run's own by names, shapes and kinds; all of them finite.

    Raises
    ------
    ValueError
        With what differs.
    """
    if set(found) != set(expected):
        raise ValueError(f"its {what} are of another network")
    for key, wanted in expected.items():
        value = found[key]
        if not isinstance(value, Tensor) or value.shape != wanted.shape or value.dtype != wanted.dtype:
            raise ValueError(f"its {what}: {quoted(key)} is no tensor of shape {tuple(wanted.shape)}")
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"its {what}: {quoted(key)} holds values that are not finite")


def check_scaler(state: dict[str, Any], scaler: torch.amp.GradScaler) -> None:
    """Compare a scaler's state with the run's own.

    Raises
    ------
    ValueError
        With what differs.
    """
    expected = scaler.state_dict()
    if set(state) != set(expected):
        raise ValueError(f"its scaler has {listed(sorted(map(str, state))) or 'nothing'}")
    for key, value in state.items():
        if type(value) is not type(expected[key]) or not 0 <= value < 1e30:
            raise ValueError(f"its scaler's {key} is {quoted(value)}")
