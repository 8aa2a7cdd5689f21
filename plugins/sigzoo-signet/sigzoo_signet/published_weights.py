"""The weight lists of sigver_wiwd (Lasagne), mapped onto the state dict of a PyTorch network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sigzoo.interfaces import WeightsError

__all__ = ["LayerPaths", "fill_batch_counts", "from_lasagne"]

_FIELDS = ("W", "beta", "gamma", "mean", "inv_std")
_BATCH_NORM_EPS = 1e-5


@dataclass(frozen=True)
class LayerPaths:
    """Where one published layer lies in the state dict."""

    published: str
    """Name of the layer in the publication, for messages."""

    weight: str
    """Prefix of the convolution or dense layer."""

    batch_norm: str
    """Prefix of its batch normalisation."""

    dense: bool
    """Whether ``W`` is stored (in, out) and has to be turned over."""


def from_lasagne(
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    layers: Sequence[LayerPaths],
    network: str,
) -> dict[str, Tensor]:
    """Map ``params[0]``, ``params[1]``, ... onto the keys of a state dict.

    Five arrays a layer, in layer order: ``W, beta, gamma, mean, inv_std``. Lasagne stores the
    inverse standard deviation with its epsilon (1e-4) inside; PyTorch wants the variance and adds
    its own epsilon, so ``running_var = 1 / inv_std ** 2 - 1e-5``, computed in float64.

    Parameters
    ----------
    tensors
        The file's arrays by position.
    state
        The network's state dict, for the shapes.
    layers
        The network's layers in the file's order.
    network
        Name of the network, for messages.

    Returns
    -------
    dict
        float32 tensors, under the keys of `state` (without ``num_batches_tracked``).

    Raises
    ------
    WeightsError
        If an array is missing, surplus, of another shape, or no inverse standard deviation.
    """
    adapted: dict[str, Tensor] = {}
    for position, layer in enumerate(layers):
        where = [f"params[{5 * position + offset}]" for offset in range(5)]
        targets = [f"{layer.weight}.weight"] + [
            f"{layer.batch_norm}.{key}" for key in ("bias", "weight", "running_mean", "running_var")
        ]
        for key, target, field in zip(where, targets, _FIELDS, strict=True):
            label = f"{key} ({layer.published}.{field})"
            value = _take(
                tensors, key, label, tuple(state[target].shape), layer.dense and field == "W", network
            )
            adapted[target] = _variance(value, label) if field == "inv_std" else value.float()
    surplus = len(tensors) - 5 * len(layers)
    if surplus:
        first = next(key for key in tensors if key not in {f"params[{i}]" for i in range(5 * len(layers))})
        raise WeightsError(
            f"{first}: {network} has {5 * len(layers)} arrays and the file holds {len(tensors)}; "
            "is it the file of another network?"
        )
    return adapted


def fill_batch_counts(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the batch counters that a file leaves out (0), which no inference ever reads."""
    filled = dict(tensors)
    for key in state:
        if key.endswith(".num_batches_tracked"):
            filled.setdefault(key, torch.tensor(0))
    return filled


def _take(
    tensors: Mapping[str, Tensor], key: str, label: str, shape: tuple[int, ...], turned: bool, network: str
) -> Tensor:
    expected = shape[::-1] if turned else shape
    if key not in tensors:
        raise WeightsError(f"{label}: {network} needs an array of shape {expected}, the file ends before it.")
    value = tensors[key]
    if tuple(value.shape) != expected:
        raise WeightsError(
            f"{label}: {network} needs shape {expected}, the file has {tuple(value.shape)}; "
            "is it the file of another network?"
        )
    if not value.is_floating_point():
        raise WeightsError(f"{label}: expected floating point numbers, the file has {value.dtype}.")
    return value.t().contiguous() if turned else value


def _variance(inv_std: Tensor, label: str) -> Tensor:
    """Running variance, float32, from the inverse standard deviation that Lasagne stores."""
    exact = inv_std.double()
    variance = (exact.pow(-2) - _BATCH_NORM_EPS).float()
    if not bool(((exact > 0) & torch.isfinite(exact) & torch.isfinite(variance)).all()):
        raise WeightsError(f"{label}: an inverse standard deviation must be positive and finite.")
    return variance
