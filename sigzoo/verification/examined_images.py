"""Images that are looked at while they are read: which are the same, and what is odd about each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.common.terminal import safe_text
from sigzoo.errors import UsageError
from sigzoo.imaging import ImageSource, read_image, source_name
from sigzoo.imaging.plausibility import doubts
from sigzoo.imaging.sources import EncodedImage, StoredImage
from sigzoo.interfaces import collected_warnings
from sigzoo.verification.copies import COPY, ink_print

__all__ = ["ExaminedImages"]


@dataclass(frozen=True)
class _Seen:
    """What was seen of one image."""

    notes: tuple[str, ...]
    digest: str
    """SHA-256 of its size and grey pixels."""
    print: NDArray[np.float32]


class ExaminedImages:
    """Some images, each read once, when a model asks for it; what was seen is known afterwards.

    Those without a path are called by `kind` and their place: ``reference 0``.

    Attributes
    ----------
    names
        What each is called.
    sources
        To be embedded in place of the images.
    """

    def __init__(
        self, images: Iterable[ImageSource], kind: str, *, check: bool, grey_range: tuple[float, float] | None
    ) -> None:
        self._images = list(images)
        self._check, self._grey_range = check, grey_range
        self.names = tuple(
            source_name(image, index) if _has_name(image) else f"{kind} {index}"
            for index, image in enumerate(self._images)
        )
        self.sources = [StoredImage(name, self._read, index) for index, name in enumerate(self.names)]
        self._seen: dict[int, _Seen] = {}

    def _read(self, index: int) -> NDArray[np.uint8]:
        with collected_warnings() as messages:
            image = read_image(self._images[index], grey_range=self._grey_range)
        if self._check and (found := doubts(image)):
            messages.append(f"does not look like one signature on paper: {'; '.join(found)}")
        digest = hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
        self._seen[index] = _Seen(tuple(messages), digest, ink_print(image))
        return image

    def notes_of(self, index: int) -> list[str]:
        """What is odd about an image that has been read."""
        return [f"{safe_text(self.names[index])}: {each}" for each in self._seen[index].notes]

    def notes(self) -> list[str]:
        """What is odd about all of them, also two that are copies of one signature."""
        found = [each for index in range(len(self.names)) for each in self.notes_of(index)]
        for index in range(len(self.names)):
            earlier = self._copies_of(self._seen[index].print, index)
            if earlier:
                found.append(
                    f"{self._shown(index)} looks like a copy of {self._shown(earlier[0])}: one signature that"
                    " counts as two"
                )
        return found

    def copies_in(self, questioned: ExaminedImages, index: int) -> list[str]:
        """What there is to say of a questioned image that looks like a copy of one of these."""
        found = self._copies_of(questioned._seen[index].print, len(self.names))
        return [
            f"{questioned._shown(index)} looks like a copy of the reference {self._shown(each)}, cut or"
            " scaled: the same ink, which nobody writes twice"
            for each in found
        ]

    def _copies_of(self, wanted: NDArray[np.float32], before: int) -> list[int]:
        return [index for index in range(before) if float(self._seen[index].print @ wanted) > COPY]

    def refuse_repetitions(self) -> None:
        """Refuse two that are the same, pixel by pixel: they would count as one that is twice as sure.

        Raises
        ------
        UsageError
            If there are such; names both.
        """
        first: dict[str, int] = {}
        for index, seen in sorted(self._seen.items()):
            if seen.digest in first:
                raise UsageError(
                    f"The references {self._shown(first[seen.digest])} and {self._shown(index)} are the same"
                    " image; name it once."
                )
            first[seen.digest] = index

    def refuse_copies_in(self, questioned: ExaminedImages) -> None:
        """Refuse a questioned image that is one of these, pixel by pixel.

        Raises
        ------
        UsageError
            If there is one; names both.
        """
        mine = {seen.digest: index for index, seen in self._seen.items()}
        for index, seen in sorted(questioned._seen.items()):
            if seen.digest in mine:
                raise UsageError(
                    f"{questioned._shown(index)} is the same image, pixel by pixel, as the reference"
                    f" {self._shown(mine[seen.digest])}: nobody signs twice alike, so it is a copy, and"
                    " comparing it says nothing."
                )

    def _shown(self, index: int) -> str:
        return safe_text(self.names[index])


def _has_name(image: object) -> bool:
    return isinstance(image, str | os.PathLike | StoredImage | EncodedImage)
