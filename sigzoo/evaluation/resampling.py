"""Intervals by bootstrap over writers: all comparisons of a writer are drawn together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "WeightedErrors", "estimate", "writer_weights"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval."""

    value: float
    """Mean over the draws of references."""
    low: float
    """2.5 % bound of the bootstrap over writers; NaN without one."""
    high: float
    """97.5 % bound."""
    draws: tuple[float, ...]
    """The figure of each draw."""


def writer_weights(writers: int, replicates: int) -> list[Counts]:
    """How often each writer is drawn, ``(writers,)`` for each replicate; the same at every call.

    Parameters
    ----------
    writers
        How many there are.
    replicates
        How often that many are drawn, with replacement.

    Returns
    -------
    list of array
        Whole numbers ``(writers,)``, whose sum is `writers`.
    """
    rng = np.random.default_rng(0)
    return [np.bincount(rng.integers(0, writers, writers), minlength=writers) for _ in range(replicates)]


def estimate(
    draws: Sequence[float],
    replicated: Callable[[int, Counts], float | None],
    weights: Sequence[Counts],
) -> Estimate:
    """The mean over draws, and the percentiles of the same mean over resampled writers.

    Parameters
    ----------
    draws
        The figure of each draw.
    replicated
        The figure of a draw with such weights; `None` where they leave it undefined.
    weights
        Of the replicates.

    Returns
    -------
    Estimate
        The mean, and the interval's two ends.
    """
    means = []
    for each in weights:
        values = [replicated(draw, each) for draw in range(len(draws))]
        defined = [value for value in values if value is not None]
        if defined:
            means.append(float(np.mean(defined)))
    low, high = np.percentile(means, (2.5, 97.5)) if means else (np.nan, np.nan)
    return Estimate(float(np.mean(draws)), float(low), float(high), tuple(draws))


class WeightedErrors:
    """Scores of one draw, sorted once, whose equal error rate is found for any weights of writers.

    FAR falls and FRR rises with the threshold, so that where they meet is found by bisection over the
    distinct scores; it is what `sigzoo.evaluation.metrics.Scores` finds by looking at all of them.

    Parameters
    ----------
    genuine, genuine_writer
        ``(G,)``: scores, and whose signature each is, as numbers.
    impostor, claimed, impostor_writer
        ``(I,)``: scores, whose signature each claims to be, and whose it is. A skilled forgery counts
        as often as the claimed writer is drawn, another's signature as often as both are.
    """

    def __init__(
        self,
        genuine: Floats,
        genuine_writer: Counts,
        impostor: Floats,
        claimed: Counts,
        impostor_writer: Counts,
    ) -> None:
        order_g, order_i = np.argsort(genuine, kind="stable"), np.argsort(impostor, kind="stable")
        self._genuine_writer = genuine_writer[order_g]
        self._claimed, self._impostor_writer = claimed[order_i], impostor_writer[order_i]
        own = self._claimed == self._impostor_writer
        self._own = own if own.any() else None
        thresholds = np.unique(np.concatenate([genuine, impostor]))
        self._below_g = np.append(np.searchsorted(genuine[order_g], thresholds, "left"), len(genuine))
        self._below_i = np.append(np.searchsorted(impostor[order_i], thresholds, "left"), len(impostor))

    def equal_error(self, weights: Counts) -> float | None:
        """The equal error rate, 0 to 1; `None` where no genuine or no impostor is drawn.

        Parameters
        ----------
        weights
            How often each writer counts, as `writer_weights` draws it.

        Returns
        -------
        float or None
            A share from 0 to 1.
        """
        other = weights[self._impostor_writer]
        mass_i = weights[self._claimed] * (other if self._own is None else np.where(self._own, 1, other))
        sum_g = np.concatenate([[0], np.cumsum(weights[self._genuine_writer])])
        sum_i = np.concatenate([[0], np.cumsum(mass_i)])
        if not sum_g[-1] or not sum_i[-1]:
            return None

        def rates(place: int) -> tuple[float, float]:
            frr = sum_g[self._below_g[place]] / sum_g[-1]
            return 1.0 - sum_i[self._below_i[place]] / sum_i[-1], frr

        low, high = 0, len(self._below_g) - 1  # far - frr is 1 at the first place and -1 at the last
        while high - low > 1:
            middle = (low + high) // 2
            far, frr = rates(middle)
            low, high = (middle, high) if far > frr else (low, middle)
        far, frr = min((rates(low), rates(high)), key=lambda pair: abs(pair[0] - pair[1]))
        return float(far + frr) / 2
