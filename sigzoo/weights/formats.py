"""The weight formats that there are, by name."""

from __future__ import annotations

from importlib import import_module

from sigzoo.errors import UnknownNameError
from sigzoo.interfaces.weight_formats import WeightFormat

__all__ = ["all_formats", "find_format"]

_TARGETS = {
    "safetensors": "sigzoo.weights.safetensors_files:SafetensorsFormat",
    "torch-tuple": "sigzoo.weights.torch_formats:TorchTupleFormat",
    "torch": "sigzoo.weights.torch_formats:TorchFormat",
    "lasagne": "sigzoo_signet.lasagne:LasagneFormat",
}


def find_format(name: str) -> WeightFormat:
    """The format of a name.

    Raises
    ------
    UnknownNameError
        If there is none; with the nearest names.
    """
    if name not in _TARGETS:
        raise UnknownNameError("weight format", name, _TARGETS)
    module, attribute = _TARGETS[name].split(":")
    found: WeightFormat = getattr(import_module(module), attribute)()
    return found


def all_formats() -> dict[str, WeightFormat]:
    """Every format whose plugin works, in the order in which they were registered."""
    return {name: find_format(name) for name in _TARGETS}
