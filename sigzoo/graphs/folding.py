"""Batch normalisation folded into the convolutions and linear layers beside it, in a copy of a network.

In evaluation mode batch normalisation is a factor and a shift per channel, which the weights of a
neighbour can hold: ``bn(W x + b) = (f W) x + f (b - mean) + beta`` with ``f = gamma / sqrt(var + eps)``.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from sigzoo.interfaces import Backbone

__all__ = ["fold_batch_norms", "has_hooks", "probe"]

_Weighted: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
_Norm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_TOLERANCE = 1e-4
"""Largest difference of a layer, relative to its largest number, between a network and its folded copy."""


def fold_batch_norms(backbone: Backbone) -> Backbone:
    """A copy of a network in evaluation mode, with each batch normalisation folded where that is exact.

    Which module follows which is read off a pass over one image, not off the code: a pair is folded where
    the one's output goes into the other and nowhere else. The copy is then compared with the network, and
    where it computes something else, or fails, an unfolded copy is returned.

    Parameters
    ----------
    backbone
        Float32, on any device; it is left as it is.

    Returns
    -------
    Backbone
        With parameters of its own.
    """
    folded = copy.deepcopy(backbone).eval().requires_grad_(False)
    try:
        image = probe(folded)
        wanted = _outputs(folded, image)
        with torch.no_grad():
            pairs = _pairs(folded, image)
            for weighted, norm, before in pairs:
                _fold(weighted, norm, norm_first=before)
        _remove(folded, [norm for _, norm, _ in pairs])
        found = _outputs(folded, image)
        if all(_close(found[name], wanted[name]) for name in folded.layers):
            return folded
    except Exception:  # noqa: S110  a network that reads its own batch normalisation, say: run as it is
        pass
    return copy.deepcopy(backbone).eval().requires_grad_(False)


def _outputs(backbone: Backbone, image: Tensor) -> dict[str, Tensor]:
    """Every layer of an image, computed as runtimes do."""
    with torch.inference_mode():
        found = backbone.forward_layers(image, backbone.layers)
        return {name: output.clone() for name, output in found.items()}


def probe(backbone: Backbone, count: int = 1) -> Tensor:
    """Images of noise that a network takes, the same at every call: float32 ``(count, 1, h, w)``."""
    size = backbone.input_size or tuple(max(64, side) for side in backbone.minimum_size)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(count, 1, *size, generator=generator, dtype=torch.float32)
    return noise.to(next(backbone.parameters(), noise).device)


def has_hooks(network: nn.Module) -> bool:
    """Whether someone listens to, or steps into, the passes of a module of a network."""
    kinds = ("_forward_hooks", "_forward_pre_hooks")
    return any(getattr(each, kind) for each in network.modules() for kind in kinds)


@dataclass
class _Call:
    """One call of a module: its input and its output."""

    module: nn.Module
    taken: Tensor
    given: Tensor


class _Uses(TorchFunctionMode):
    """Counts how often each tensor goes into a function, and keeps all alive so that none is mistaken."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[int] = Counter()
        self._alive: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = list(_tensors((args, kwargs or {})))
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, _DESCRIPTIONS):
            self.count.update({id(each) for each in given})
        self._alive += [given, result]
        return result


_DESCRIPTIONS = (int, tuple, torch.dtype, torch.device, torch.layout)
"""What is asked of a tensor without looking at its values: sides, shapes, whether it is on a GPU."""


def _tensors(value: Any) -> Iterator[Tensor]:
    """Tensors in an argument, in lists and mappings, too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each)


def _pairs(backbone: Backbone, image: Tensor) -> list[tuple[_Weighted, _Norm, bool]]:
    """Which layer and batch normalisation belong together, and whether the normalisation comes first."""
    calls: list[_Call] = []
    modules = [each for each in backbone.modules() if type(each) in (*_WEIGHTED, *_NORMS)]
    handles = [each.register_forward_hook(_noting(calls)) for each in modules]
    try:
        with _Uses() as uses:
            outputs = backbone.forward_layers(image, backbone.layers)
    finally:
        for handle in handles:
            handle.remove()
    tapped = {id(output) for output in outputs.values()}
    times = Counter(id(call.module) for call in calls)
    once = [call for call in calls if times[id(call.module)] == 1 and _is_plain(call.module)]
    pairs: list[tuple[_Weighted, _Norm, bool]] = []
    taken: set[int] = set()
    for first, second in _neighbours(once):
        if uses.count[id(first.given)] != 1 or id(first.given) in tapped:
            continue
        if taken & {id(first.module), id(second.module)}:
            continue
        pair = _as_pair(first.module, second.module)
        if pair is not None:
            pairs.append(pair)
            taken |= {id(first.module), id(second.module)}
    return pairs


def _noting(calls: list[_Call]) -> Any:
    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        calls.append(_Call(module, args[0], output))

    return note


def _neighbours(calls: Sequence[_Call]) -> Iterator[tuple[_Call, _Call]]:
    """Calls of which the second takes what the first gives; those that end in a normalisation first."""
    givers = {id(call.given): call for call in calls}
    found = [(givers[id(call.taken)], call) for call in calls if id(call.taken) in givers]
    yield from sorted(found, key=lambda pair: not isinstance(pair[1].module, _NORMS))


def _is_plain(module: nn.Module) -> bool:
    """Whether a module's weights are what they seem to be, and a normalisation has statistics."""
    if parametrize.is_parametrized(module):
        return False
    return not isinstance(module, _NORMS) or module.running_var is not None


def _as_pair(first: nn.Module, second: nn.Module) -> tuple[_Weighted, _Norm, bool] | None:
    if isinstance(first, _WEIGHTED) and isinstance(second, _NORMS):
        return first, second, False
    if isinstance(first, _NORMS) and isinstance(second, _WEIGHTED) and _without_padding(second):
        return second, first, True
    return None


def _without_padding(module: nn.Module) -> bool:
    """Whether every input of a sum is of the image: the shift of a normalisation before is the same then."""
    padding = getattr(module, "padding", 0)
    return not any(padding) if isinstance(padding, tuple) else padding in (0, "valid")


def _fold(weighted: _Weighted, norm: _Norm, *, norm_first: bool) -> None:
    """Take a batch normalisation into the weights beside it; factors and shifts in double precision."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.ones_like(norm.running_var) if norm.weight is None else norm.weight
    factor = scale.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    beta = torch.zeros_like(norm.running_mean) if norm.bias is None else norm.bias
    shift = beta.double() - norm.running_mean.double() * factor
    weight = weighted.weight
    bias = shift.new_zeros(len(weight)) if weighted.bias is None else weighted.bias.double()
    if norm_first:
        channel = _input_channels(weighted)
        bias = bias + (weight.double().reshape(*weight.shape[:2], -1).sum(2) * shift[channel]).sum(1)
        factors = factor[channel].view(*channel.shape, *[1] * (weight.ndim - 2))
    else:
        bias = bias * factor + shift
        factors = factor.view(-1, *[1] * (weight.ndim - 1))
    weighted.weight = nn.Parameter(weight * factors.to(weight.dtype), requires_grad=False)
    weighted.bias = nn.Parameter(bias.to(weight.dtype), requires_grad=False)


def _input_channels(weighted: _Weighted) -> Tensor:
    """Which input channels each output sees, ``(outputs, inputs of a group)``: those of its group."""
    weight, groups = weighted.weight, getattr(weighted, "groups", 1)
    group = torch.arange(len(weight), device=weight.device) // (len(weight) // groups)
    return group[:, None] * weight.shape[1] + torch.arange(weight.shape[1], device=weight.device)


def _remove(network: nn.Module, norms: Sequence[nn.Module]) -> None:
    """Put nothing in the place of each module, wherever it hangs."""
    gone = {id(each) for each in norms}
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if id(child) in gone:
                setattr(parent, name, nn.Identity())


def _close(found: Tensor, wanted: Tensor) -> bool:
    if found.shape != wanted.shape:
        return False
    scale = max(float(wanted.abs().max()), 1e-12) if wanted.numel() else 1.0
    return wanted.numel() == 0 or bool((found - wanted).abs().max() <= _TOLERANCE * scale)
