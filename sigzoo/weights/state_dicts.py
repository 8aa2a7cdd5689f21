"""Putting tensors into a network, strictly: under its own names, or those that wrappers make of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from sigzoo.common.terminal import safe_text
from sigzoo.errors import WeightsError

__all__ = ["PREFIXES", "fit_names", "load_into"]

PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
"""What ``DataParallel``, ``torch.compile`` and training programs put before every name."""

_WRAPPERS = frozenset({"module", "_orig_mod"})
_LISTED = 5
_MOST_PREFIXES = 8
"""Wrappers in one another; a name may be megabytes of prefixes, each of which would take a walk over all."""

Adapt = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


def fit_names(tensors: Mapping[str, Tensor], expected: Collection[str], adapt: Adapt) -> Mapping[str, Tensor]:
    """Translate a file's tensors into a network's names, without what wrappers put before all of them.

    The names as they stand come first. Only where they do not fit are the prefixes of `PREFIXES` taken off
    that every name has, one after another, and the steps of wrappers within names; and only names that then
    are exactly the network's are taken.

    Parameters
    ----------
    tensors
        As the file names them.
    expected
        Names of the network's state dict.
    adapt
        Translates published names into the network's (`Backbone.adapt_weights`).

    Returns
    -------
    mapping
        What `adapt` made of the names that fit; of the names as they stand where none do.

    Raises
    ------
    WeightsError
        If none fit and `adapt` refuses the names as they stand.
    """
    wanted = set(expected)
    for names in _without_wrappers(tensors):
        if len(set(names.values())) == len(names):
            try:
                adapted = adapt({names[key]: tensor for key, tensor in tensors.items()})
            except WeightsError:
                continue
            if set(adapted) == wanted:
                return adapted
    return adapt(tensors)


def _without_wrappers(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """The file's names, and what they may have been before they were wrapped."""
    names = {key: key for key in tensors}
    yield names
    for _ in range(_MOST_PREFIXES):
        prefix = next((p for p in PREFIXES if names and all(n.startswith(p) for n in names.values())), None)
        if prefix is None:
            break
        names = {key: name.removeprefix(prefix) for key, name in names.items()}
        yield names
    yield {
        key: ".".join(step for step in name.split(".") if step not in _WRAPPERS)
        for key, name in names.items()
    }


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load tensors into a module whose state dict must have exactly these names, shapes and kinds.

    Nothing is loaded unless all of it fits.

    Parameters
    ----------
    module
        Takes the values, in its own dtypes and on its own device.
    tensors
        By name, as ``module.state_dict()`` has them.
    source
        What messages call the file.

    Raises
    ------
    WeightsError
        For missing, surplus, misshapen tensors, tensors of another kind (integers for floating
        point), and values that are not finite. Names the tensors and both shapes.
    """
    expected = module.state_dict()
    network = type(module).__name__
    missing = [key for key in expected if key not in tensors]
    surplus = [key for key in tensors if key not in expected]
    beside = f". It has instead: {_some(surplus)}" if surplus else ""
    _refuse(source, f"{network} needs tensors that are not there", missing, beside)
    _refuse(source, f"has tensors that {network} does not know", surplus)
    _refuse(
        source,
        f"tensors do not fit {network}",
        (
            f"{key} has shape {tuple(tensors[key].shape)}, expected {tuple(want.shape)}"
            for key, want in expected.items()
            if tensors[key].shape != want.shape
        ),
    )
    _refuse(
        source,
        f"tensors are of another kind than {network}'s",
        (
            f"{key} of shape {tuple(want.shape)} is {tensors[key].dtype}, expected {want.dtype}"
            for key, want in expected.items()
            if _kind(tensors[key]) != _kind(want)
        ),
    )
    # Looked at after the cast: what is finite in the file may be infinite in the network's dtype.
    cast = {key: tensors[key].detach().to(want.dtype) for key, want in expected.items()}
    _refuse(
        source,
        "tensors hold values that are not finite",
        (
            f"{key} of shape {tuple(value.shape)} ({int((~torch.isfinite(value)).sum())} of {value.numel()})"
            for key, value in cast.items()
            if value.is_floating_point() and not torch.isfinite(value).all()
        ),
    )
    module.load_state_dict(cast, strict=True)


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "float"
    if tensor.is_complex() or tensor.is_quantized:
        return str(tensor.dtype)
    return "bool" if tensor.dtype == torch.bool else "int"


def _refuse(source: str, what: str, faults: Iterable[str], beside: str = "") -> None:
    found = list(faults)
    if found:
        raise WeightsError(f"{source}: {what}: {_some(found)}{beside}. Is it this model's file?")


def _some(found: list[str]) -> str:
    """A few names or faults, each of bounded length: both may come from the file."""
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return "; ".join(safe_text(each[:160]) for each in found[:_LISTED]) + more
