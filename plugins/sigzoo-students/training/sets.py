"""Data that the programs of this folder measure on: preprocessed images, and what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sigzoo_students.families import FamiliesSpec, FamilySignatures
from sigzoo_students.ink import find_ink
from sigzoo_students.preprocessing import SynsigPreprocessor

from sigzoo.evaluation.datasets import crossmedia
from sigzoo.evaluation.protocols import Signatures
from sigzoo.imaging import read_image
from sigzoo.interfaces import GreyImage

__all__ = ["AsTwoLevels", "MeasuredSet", "across_media", "synthetic"]

Preprocess = Callable[[GreyImage], GreyImage]

MeasuredSet = tuple[NDArray[np.uint8], Signatures]
"""Images uint8 ``(N, h + 3, w)``, and what they are."""


@dataclass(frozen=True)
class AsTwoLevels:
    """Preprocesses the scan that a machine of two levels would have made: ink black, paper white."""

    preprocess: Preprocess

    def __call__(self, image: GreyImage) -> GreyImage:
        """Uint8 ``(H, W)`` in; what `preprocess` makes of its two levels out."""
        ink = find_ink(image).mask[:, : image.shape[1]]
        return self.preprocess(np.where(ink, 0, 255).astype(np.uint8))


def synthetic(spec: FamiliesSpec, workers: int, preprocess: Preprocess | None = None) -> MeasuredSet:
    """Families of synthetic writers; those who write one text are same-text impostors."""
    families = FamilySignatures(spec)
    made = dict(families.prepared(preprocess or SynsigPreprocessor(statistics=True), workers=workers))
    places = list(made)
    writer = [str(families.writers[place]) for place in places]
    text = [str(families.labels["text"][place]) for place in places]
    known = Signatures(writer, writer, [bool(families.forged[place]) for place in places], text)
    return np.stack(list(made.values())), known


def across_media(folder: Path, preprocess: Preprocess | None = None) -> MeasuredSet:
    """Crossmedia's validation split: of one name by one writer there is a signature for each medium."""
    images, preprocess = crossmedia(folder, ["val"]), preprocess or SynsigPreprocessor(statistics=True)
    return np.stack([preprocess(read_image(path)) for path in images.files]), images.known
