"""The interface of a data source: from a place to signatures, whose they are, and which are forged."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import ImageError
from sigzoo.interfaces.images import GreyImage, Size

__all__ = ["ANOTHER_WRITER", "FORGER", "WRITER", "DataSource", "SignatureSet"]

_CHUNK = 16
"""Images that are prepared together."""
WRITER, ANOTHER_WRITER, FORGER = 0, 1, 2
"""Values of the label ``role``: the writer of a text, another writer of the same text, a forger."""


class SignatureSet(ABC):
    """N signatures of a data source: their labels at once, their images when they are asked for.

    A subclass sets the attributes and implements `read`.
    """

    writers: Sequence[int | str]
    """``(N,)``: whose signatures they are, or claim to be, as the source names people."""

    forged: NDArray[np.bool_]
    """``(N,)``: whether they are forgeries."""

    labels: Mapping[str, NDArray[np.int64]] = {}
    """Further labels ``(N,)`` by name. Any name may be used; these mean the same in all sets:

    ``hand``
        Who held the pen: a writer's forgers are hands of their own.
    ``family``
        What belongs together because it is hard to tell apart: a text, its writers and forgers.
    ``role``
        What a hand is in its family: `WRITER`, `ANOTHER_WRITER` or `FORGER`.
    ``person``
        The person, where one person has several identities (`writers`): a signature of each name, say.
    ``text``
        What is written, where several people wrote the same.
    ``medium``
        How it was taken; impostors are then compared with genuine signatures of the same media.
    ``simple``
        1 for a forgery by someone who knew the name and had seen no signature, else 0.
    """

    preprocessed: bool = False
    """Whether the images are a network's input already, ink bright on 0."""

    description: str | None = None
    """What a model's card says of training data like these; `None` where the user must say it."""

    computed: bool = False
    """Whether images are computed rather than read, so that several processes make them faster; the set
    is then sent to each and must be one that can be pickled."""

    skip_blank: bool = False
    """Whether an image on which a preprocessor finds no ink is left out, instead of an error: right
    for images that a program writes, some of which come out blank."""

    canvas: Size | None = None
    """Height and width of the canvas that the data set's publications lay its signatures on, in pixels."""

    def __len__(self) -> int:
        return len(self.forged)

    @abstractmethod
    def read(self, index: int) -> GreyImage:
        """Read one image: uint8 ``(H, W)``, 0 ink and 255 paper (or ink bright on 0, if `preprocessed`).

        Parameters
        ----------
        index
            From 0.

        Returns
        -------
        array
            uint8 ``(H, W)``.

        Raises
        ------
        ImageError, DataError
            If it cannot be read; names the file.
        """

    def read_many(self, indices: Sequence[int]) -> Iterator[GreyImage]:
        """Read some images one after the other; override it where neighbours come faster together.

        Parameters
        ----------
        indices
            Numbers of signatures, in any order.

        Yields
        ------
        array
            uint8 ``(H, W)`` each, in that order.
        """
        for index in indices:
            yield self.read(index)

    def name(self, index: int) -> str:
        """Where an image comes from, for messages.

        Parameters
        ----------
        index
            From 0.

        Returns
        -------
        str
            For messages and tables.
        """
        return f"signature {index}"

    def file_of(self, index: int) -> Path | None:
        """The file that holds this image alone; `None` where there is none.

        Parameters
        ----------
        index
            From 0.

        Returns
        -------
        Path or None
            `None` for what is in no file of its own.
        """
        return None

    def prepared(
        self, prepare: Callable[[GreyImage], GreyImage], *, workers: int = 1
    ) -> Iterator[tuple[int, GreyImage]]:
        """Read and preprocess all images, in their order.

        Parameters
        ----------
        prepare
            The preprocessing; can be sent to another process.
        workers
            Processes to use where images are `computed`; else threads read them.

        Yields
        ------
        index, image
            Images without ink are left out if `skip_blank`.

        Raises
        ------
        ImageError, DataError
            If an image cannot be read or preprocessed; names it.
        """
        from sigzoo.common.parallel import ordered_map, process_map

        chunks = [range(first, min(first + _CHUNK, len(self))) for first in range(0, len(self), _CHUNK)]
        if self.computed:
            with closing(process_map(partial(_prepared, self, prepare), chunks, workers=workers)) as parts:
                for part in parts:
                    yield from part
        else:
            for part in ordered_map(partial(_prepared, self, prepare), chunks, ahead=8):
                yield from part

    def digest(self) -> str:
        """A SHA-256 of what decides the images and labels, for whoever keeps what was made of them.

        By default of all images and labels themselves.
        """
        found = hashlib.sha256(repr((list(self.writers), sorted(self.labels))).encode())
        for array in (self.forged, *(self.labels[name] for name in sorted(self.labels))):
            found.update(np.ascontiguousarray(array).data)
        for index in range(len(self)):
            found.update(np.ascontiguousarray(self.read(index)).data)
        return found.hexdigest()

    def close(self) -> None:
        """Let go of files."""
        return None


def _prepared(
    signatures: SignatureSet, prepare: Callable[[GreyImage], GreyImage], indices: Sequence[int]
) -> list[tuple[int, GreyImage]]:
    """Some images, without those that are blank where they may be left out."""
    made = []
    for index, image in zip(indices, signatures.read_many(indices), strict=True):
        try:
            made.append((index, prepare(image)))
        except ImageError as error:
            if not signatures.skip_blank:
                name, message = signatures.name(index), str(error)
                raise ImageError(message if message.startswith(name) else f"{name}: {message}") from error
    return made


class DataSource(ABC):
    """A kind of place that signatures come from: a file, a folder of some layout, a program.

    It is built without arguments. A user names a place (``--data``): the path of a file or folder,
    which goes to the source that recognises it, or ``NAME:REST``, which goes to the source that is
    registered as NAME, and gives it REST.
    """

    example: ClassVar[str]
    """How a place of this kind is written, for messages: ``"synth:writers=500,genuine=16"``."""

    general: ClassVar[bool] = False
    """Whether it takes what others know better: it is asked only where no other recognises a place."""

    @abstractmethod
    def recognises(self, place: str) -> bool:
        """Tell from names alone whether this is a place of its kind; opens no image, raises nothing.

        Parameters
        ----------
        place
            What the user named, a path for most.

        Returns
        -------
        bool
            Whether this source reads it; a file is looked at as little as that takes.
        """

    @abstractmethod
    def open(self, place: str) -> SignatureSet:
        """Open a place.

        Parameters
        ----------
        place
            A path, or what stands after ``NAME:``.

        Returns
        -------
        SignatureSet
            Read as it is asked for.

        Raises
        ------
        DataError
            If it is missing, damaged, or its names contradict each other; says which file or name.
        UsageError, UnknownNameError
            If what stands after ``NAME:`` cannot be understood.
        """
