"""The protocol: distance to the nearest of a few references."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.interfaces import DataError, EvaluationProtocol, Measured, Signatures, UsageError

__all__ = ["AllkindsProtocol"]

Scores = dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]]
"""Kind of impostor -> for each writer the distances of genuine and of impostor signatures."""


class AllkindsProtocol(EvaluationProtocol):
    """A signature is as far from a writer as from the nearest reference; one threshold serves all.

    Parameters
    ----------
    references
        Genuine signatures that are known of each writer.
    draws
        How often they are drawn.
    replicates
        Bootstrap samples of the writers in each draw.
    """

    def __init__(self, *, references: int = 3, draws: int = 5, replicates: int = 50) -> None:
        if min(references, draws, replicates) < 1:
            raise UsageError("references, draws and replicates must be at least 1.")
        self.references, self.draws, self.replicates = references, draws, replicates

    def measure(self, features: ArrayLike, known: Signatures) -> dict[str, Measured]:
        """Measure verification on features; see `sigzoo.interfaces.EvaluationProtocol`."""
        array = np.asarray(features, np.float64)
        if len(array) != len(known.identity) or not np.isfinite(array).all():
            raise DataError("features must be finite, one row for each signature.")
        rates: dict[str, list[float]] = {}
        samples: dict[str, list[float]] = {}
        for draw in range(self.draws):
            rng = np.random.default_rng(draw)
            for kind, writers in self._scores(array, known, rng).items():
                rates.setdefault(kind, []).append(equal_error(writers))
                for _ in range(self.replicates):
                    chosen = rng.integers(0, len(writers), len(writers))
                    samples.setdefault(kind, []).append(equal_error([writers[i] for i in chosen]))
        if not rates:
            raise DataError(f"no writer has more than {self.references} genuine signatures and an impostor.")
        found = {}
        for kind, each in rates.items():
            low, high = np.percentile(samples[kind], (2.5, 97.5))
            found[kind] = Measured(float(np.mean(each)), float(low), float(high), tuple(each))
        return found

    def _scores(self, features: NDArray[np.float64], known: Signatures, rng: np.random.Generator) -> Scores:
        identity, writer = np.asarray(known.identity), np.asarray(known.writer)
        forged = np.asarray(known.forged, bool)
        found: Scores = {}
        for name in np.unique(identity):
            own = np.flatnonzero((identity == name) & ~forged)
            if len(own) <= self.references:
                continue
            order = rng.permutation(own)
            references = features[order[: self.references]]
            far = np.sqrt(((features[:, None] - references) ** 2).sum(2)).min(1)
            genuine = far[order[self.references :]]
            others = far[~forged & (writer != writer[own[0]])]
            skilled = far[forged & (identity == name)]
            for kind, impostor in (("random", others), ("skilled", skilled)):
                if len(impostor):
                    found.setdefault(kind, []).append((genuine, impostor))
        return found


def equal_error(writers: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """The rate in percent at which as many genuine are refused as impostors accepted."""
    genuine = np.sort(np.concatenate([each for each, _ in writers]))
    impostor = np.sort(np.concatenate([each for _, each in writers]))
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    refused = 1 - np.searchsorted(genuine, thresholds, side="right") / len(genuine)
    accepted = np.searchsorted(impostor, thresholds, side="right") / len(impostor)
    at = int(np.abs(refused - accepted).argmin())
    return float(50 * (refused[at] + accepted[at]))
