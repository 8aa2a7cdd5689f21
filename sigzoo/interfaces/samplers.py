"""The interface of a sampler: from the labels of the data to the batches of an epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import UnknownNameError

__all__ = ["ANY", "Batch", "SampledData", "Sampler"]

ANY = "any"
"""Kind of the batches of a sampler that has one kind only."""


class Batch(NamedTuple):
    """Signatures that one step of training takes."""

    indices: NDArray[np.int64]
    """``(n,)``: their places in the training data."""
    kind: str = ANY
    """What kind of batch it is: a loss may be for batches of some kinds only."""


@dataclass(frozen=True)
class SampledData:
    """What a sampler knows of N signatures; it never sees an image."""

    indices: NDArray[np.int64]
    """Which of them may be drawn."""
    writers: NDArray[np.int64]
    """``(N,)``: whose they are, or claim to be, from 0."""
    forged: NDArray[np.int64]
    """``(N,)``: 0 genuine, 1 forgery."""
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Further labels ``(N,)`` by name, as the data source defines them."""

    def label(self, name: str) -> NDArray[np.int64]:
        """A label by its name, ``(N,)``; ``writers`` and ``forged`` are labels too.

        Parameters
        ----------
        name
            Of the label.

        Returns
        -------
        array
            int64 ``(N,)``.

        Raises
        ------
        UnknownNameError
            If the data have none of that name.
        """
        known = {"writers": self.writers, "forged": self.forged, **self.labels}
        if name not in known:
            raise UnknownNameError("label of the data", name, known)
        return known[name]


class Sampler(ABC):
    """Chooses the signatures of each batch of an epoch, from their labels.

    It is built with its options, as keyword arguments, and holds no state after that: what it draws
    follows from its options, the data, the seed and the epoch alone, so that a run that is resumed
    draws what it would have drawn.
    """

    @abstractmethod
    def batches(
        self, data: SampledData, *, size: int, seed: int, epoch: int, processes: int = 1
    ) -> list[Batch]:
        """Draw the batches of an epoch, the same in every process.

        Parameters
        ----------
        data
            What to draw from.
        size
            Signatures in a batch, about; an implementation says what it makes of it.
        seed, epoch
            Decide what is drawn; epochs count from 1.
        processes
            How many share each batch: its length must be a multiple of this, at least two for each,
            and the first process takes the first part, and so on.

        Returns
        -------
        list
            At least one batch.

        Raises
        ------
        DataError
            If the data are too few for a batch.
        UnknownNameError
            If the data lack a label that it needs.
        """

    def kinds(self, data: SampledData) -> Sequence[str]:
        """Every kind that its batches can have, in any epoch.

        Parameters
        ----------
        data
            What it draws from.

        Returns
        -------
        sequence of str
            Names, each once.
        """
        return (ANY,)

    def steps(self, data: SampledData, *, size: int, seed: int, epoch: int, processes: int = 1) -> int:
        """How many batches an epoch has; override it where that is cheaper to tell than by drawing.

        Parameters
        ----------
        data, size, seed, epoch, processes
            As for `batches`.

        Returns
        -------
        int
            Batches.
        """
        return len(self.batches(data, size=size, seed=seed, epoch=epoch, processes=processes))
