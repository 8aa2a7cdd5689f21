"""A data set that is opened to be measured: what of it is used, its digests, features and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.common.progress import ProgressLike
from sigzoo.datasets import known_signatures, open_data, without_simple_forgeries
from sigzoo.errors import DataError
from sigzoo.evaluation.baseline import standardised
from sigzoo.evaluation.feature_cache import FeatureCache
from sigzoo.evaluation.features import (
    baseline_features,
    image_digests,
    ink_pictures,
    layer_features,
    repeated,
    usable,
)
from sigzoo.interfaces import Preprocessor
from sigzoo.interfaces.data_sources import SignatureSet
from sigzoo.interfaces.protocols import Signatures
from sigzoo.verification.copies import groups_of_copies

if TYPE_CHECKING:
    from sigzoo.model import SignatureModel

__all__ = ["DataInfo", "OpenedSet"]


@dataclass(frozen=True)
class DataInfo:
    """A data set."""

    place: str
    source: str
    """Name of the data source that read it."""
    writers: int
    genuine: int
    forged: int
    """Skilled forgeries."""
    simple: int
    """Simple forgeries, which are left out: no protocol takes them."""
    blank: int
    """Images without ink, which are left out where a program made them."""


@dataclass(frozen=True)
class OpenedSet:
    """A data set, opened, without its simple forgeries and blank images: N signatures."""

    opened: SignatureSet
    indices: NDArray[np.int64]
    """Which of its signatures are used."""
    known: Signatures
    info: DataInfo
    digests: Sequence[bytes]
    """Of each image: files are read for it once, whatever is measured."""
    cache: FeatureCache | None
    progress: ProgressLike

    @classmethod
    def open(
        cls,
        place: str,
        preparers: Sequence[Preprocessor],
        *,
        cache: FeatureCache | None,
        progress: ProgressLike,
        stack: ExitStack,
    ) -> OpenedSet:
        """Open a place until `stack` ends; a blank image is one in which a preprocessor finds no ink.

        Raises
        ------
        DataError, ImageError
            If it cannot be read, or holds no signature.
        """
        opened, found = open_data(place)
        stack.enter_context(closing(opened))
        skilled = without_simple_forgeries(opened)
        indices = usable(opened, skilled, preparers)
        if not len(indices):
            raise DataError(f"{place} holds no signature that can be measured.")
        known = known_signatures(opened, indices)
        forged = int(np.sum(known.forged))
        info = DataInfo(
            place,
            found.source,
            len(set(known.writer)),
            len(indices) - forged,
            forged,
            len(opened) - len(skilled),
            len(skilled) - len(indices),
        )
        return cls(opened, indices, known, info, image_digests(opened, indices), cache, progress)

    def taking(self, places: Sequence[int]) -> OpenedSet:
        """Some of its signatures, by their places from 0 to N - 1; `info` is still of all."""
        indices = self.indices[list(places)]
        digests = [self.digests[place] for place in places]
        return replace(self, indices=indices, known=known_signatures(self.opened, indices), digests=digests)

    @property
    def names(self) -> list[str]:
        """Where each signature comes from."""
        return [self.opened.name(int(index)) for index in self.indices]

    def features(self, model: SignatureModel, layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Layer -> float32 ``(N, D)``; see `layer_features`."""
        return layer_features(
            model,
            self.opened,
            self.indices,
            layers,
            cache=self.cache,
            digests=self.digests,
            progress=self.progress,
        )

    def baselines(self) -> Mapping[str, ArrayLike]:
        """Name -> ``(N, D)``: the trivial baselines' numbers, scaled."""
        found = baseline_features(
            self.opened, self.indices, cache=self.cache, digests=self.digests, progress=self.progress
        )
        return {name: standardised(numbers) for name, numbers in found.items()}

    def same_files(self) -> list[int]:
        """Places of images that are, byte for byte, one before them."""
        return repeated(self.digests)

    def copies(self) -> list[list[int]]:
        """Places of one writer's images with the same ink, by group; of preprocessed images none is known."""
        if self.opened.preprocessed:
            return []
        pictures = ink_pictures(
            self.opened, self.indices, cache=self.cache, digests=self.digests, progress=self.progress
        )
        return [list(group) for group in groups_of_copies(pictures, self.known.writer)]
