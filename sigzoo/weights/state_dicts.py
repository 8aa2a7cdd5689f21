"""Putting tensors into a network, strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from sigzoo.errors import WeightsError

_LISTED = 5


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
    _refuse(source, f"{network} needs tensors that are not there", (k for k in expected if k not in tensors))
    _refuse(source, f"has tensors that {network} does not know", (k for k in tensors if k not in expected))
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


def _refuse(source: str, what: str, faults: Iterable[str]) -> None:
    found = list(faults)
    if found:
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise WeightsError(f"{source}: {what}: {'; '.join(found[:_LISTED])}{more}. Is it this model's file?")
