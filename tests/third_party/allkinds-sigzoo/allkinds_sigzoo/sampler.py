"""The sampler: batches of pairs, both of one writer."""

from __future__ import annotations

import numpy as np

from sigzoo.interfaces import Batch, DataError, SampledData, Sampler

__all__ = ["AllkindsSampler"]


class AllkindsSampler(Sampler):
    """Every signature of a batch has another one of the same writer in it.

    Parameters
    ----------
    forgeries
        Whether forgeries are drawn too.
    """

    def __init__(self, *, forgeries: bool = True) -> None:
        self.forgeries = forgeries

    def batches(
        self, data: SampledData, *, size: int, seed: int, epoch: int, processes: int = 1
    ) -> list[Batch]:
        """Draw pairs, and put about `size` signatures into a batch; see `sigzoo.interfaces.Sampler`."""
        rng = np.random.default_rng([seed, epoch])
        known = data.indices if self.forgeries else data.indices[data.forged[data.indices] == 0]
        pairs = []
        for writer in np.unique(data.writers[known]):
            own = rng.permutation(known[data.writers[known] == writer])
            pairs += list(own[: len(own) // 2 * 2].reshape(-1, 2))
        # Each process takes an equal share, of whole pairs.
        together = min(max(size // 2, processes), len(pairs)) // processes * processes
        if together == 0:
            raise DataError(
                f"{processes} pairs of signatures of one writer are needed; there are {len(pairs)}."
            )
        order = rng.permutation(len(pairs))
        starts = range(0, len(pairs) - together + 1, together)
        return [Batch(np.concatenate([pairs[i] for i in order[at : at + together]])) for at in starts]
