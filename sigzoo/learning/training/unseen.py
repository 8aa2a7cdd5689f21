"""Validation by verification on writers that are not trained on: the distance protocol on other data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.errors import DataError
from sigzoo.evaluation.protocols import Signatures, distance_protocol
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.training.network import TrainedNetwork
from sigzoo.learning.training.validation import Measures

__all__ = ["UnseenWriters", "mean_logarithm", "verify_unseen"]

_DRAWS = range(5)
_LEAST = 0.1
"""Rates below this, in percent, count as this: a rate of 0 would outweigh all others."""


@dataclass(frozen=True)
class UnseenWriters:
    """A data set that is held out as a whole."""

    where: str
    data: ImageSet
    inputs: InputTransform

    def known(self) -> Signatures:
        """What the distance protocol must know of its signatures."""
        labels = {name: [str(each) for each in values] for name, values in self.data.labels.items()}
        identity = [str(each) for each in self.data.writers]
        return Signatures(
            identity,
            labels.get("person", identity),
            [bool(each) for each in self.data.forged],
            labels.get("text"),
            labels.get("medium"),
        )


def verify_unseen(
    sets: Sequence[UnseenWriters],
    network: TrainedNetwork,
    device: torch.device,
    *,
    batch_size: int,
    on_measured: Callable[[str, dict[str, float]], object] | None = None,
) -> Measures | None:
    """Equal error rates on unseen writers, three references each; `None` if features are not finite.

    Parameters
    ----------
    sets
        The data sets; what is measured is the mean over them, and what is selected by the mean of the
        rates' logarithms, so that no set and no kind of impostor outweighs the others.
    network, device
        What is measured, and where.
    batch_size
        Images at once.
    told
        Called with each set's name and its equal error rates in percent.

    Raises
    ------
    DataError
        If no writer of a set has more than three genuine signatures.
    """
    found: list[dict[str, float]] = []
    for each in sets:
        features = _embed(each, network, device, batch_size)
        if not np.isfinite(features).all():
            return None
        try:
            measured = distance_protocol(features, each.known(), seeds=_DRAWS, replicates=0, score="mean")
        except DataError as error:
            raise DataError(f"{each.where}: {error}") from error
        rates = {kind: measure.eer for kind, measure in measured.items()}
        found.append(rates)
        if on_measured is not None:
            on_measured(each.where, rates)

    def mean(kind: str) -> float | None:
        rates = [each[kind] for each in found if kind in each]
        return float(np.mean(rates)) if rates else None

    every = [rate for each in found for rate in each.values()]
    return Measures(
        accuracy=None,
        eer=mean("random") or 0.0,
        eer_skilled=mean("skilled"),
        verification=mean_logarithm(every),
    )


def mean_logarithm(rates: Iterable[float]) -> float:
    """Mean of the logarithms of error rates in percent."""
    return float(np.log([max(rate, _LEAST) for rate in rates]).mean())


def _embed(
    held_out: UnseenWriters, network: TrainedNetwork, device: torch.device, batch_size: int
) -> NDArray[np.float32]:
    network.eval()
    parts = []
    with torch.inference_mode():
        for places in np.array_split(np.arange(len(held_out.data)), -(-len(held_out.data) // batch_size)):
            pixels = held_out.inputs.centre(held_out.data, places, device)
            parts.append(network.describe(pixels)[0].cpu().numpy())
    network.train()
    return np.concatenate(parts)
