"""Whether someone has changed a network by hand since something was made of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["network_state"]

_SAMPLES = 64


def network_state(network: nn.Module) -> tuple[Any, ...]:
    """What differs once a network's modules, tensors, places, precisions or values are others.

    Torch counts the changes of a tensor, but not those through ``tensor.data`` or a numpy array that
    shares its memory: so, on the CPU, some of its values stand for the rest.
    """
    modules = tuple((name, id(each)) for name, each in network.named_modules())
    tensors = tuple(_tensor_state(each) for each in (*network.parameters(), *network.buffers()))
    return modules, tensors


def _tensor_state(tensor: Tensor) -> tuple[Any, ...]:
    version = 0 if tensor.is_inference() else tensor._version
    state = (id(tensor), version, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.device)
    if tensor.device.type != "cpu":
        return state
    flat = tensor.detach().reshape(-1) if tensor.is_contiguous() else tensor.detach().flatten()[:_SAMPLES]
    some = flat[:: max(1, flat.numel() // _SAMPLES)]
    return *state, some.contiguous().view(torch.uint8).numpy().tobytes()
