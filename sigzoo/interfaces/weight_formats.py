"""The interface of a weight format, and the safe readers that one can be built of; imports no torch.

A weight file comes from a stranger. A format describes what it holds and never runs it: no pickle is
unpickled, no size that a file declares is believed before it is compared with what is there. For pickles
there is an interpreter that only describes (`PickleReader`), for zip archives a gate (`file_bytes`).
"""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from sigzoo.common.limits import MAX_WEIGHT_FILE
from sigzoo.common.pickles import Global, LongText, PickleReader, PickleRules, as_text
from sigzoo.common.zip_archives import find_member, member_start, open_zip, read_member
from sigzoo.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "START_BYTES",
    "Global",
    "LongText",
    "PickleReader",
    "PickleRules",
    "WeightArrays",
    "WeightFormat",
    "WeightsError",
    "as_text",
    "file_bytes",
    "file_start",
    "zip_names",
]

START_BYTES = 1024
"""How many of a file's first bytes `file_start` gives."""

_LOCAL_HEADER = struct.Struct("<4s22x2H")


@dataclass(frozen=True)
class WeightArrays:
    """What a weight file holds, under the names that it uses itself.

    The core turns numpy arrays into tensors and floating point into float32; a backbone's
    `adapt_weights` then maps the names, and nothing but what fits the network exactly is loaded.
    """

    tensors: Mapping[str, Tensor | NDArray[Any]]
    """The backbone's arrays, of any shape and dtype."""

    heads: Mapping[str, Mapping[str, Tensor | NDArray[Any]]] = field(default_factory=dict)
    """``writer`` and ``forgery``: ``weight`` (outputs, features) and ``bias`` (outputs)."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Texts that the file carries."""


class WeightFormat(ABC):
    """A kind of weight file, under the name that cards give in ``weights.format``.

    It is built without arguments and keeps no state.
    """

    description: ClassVar[str]
    """What messages call such a file: "a safetensors file"."""

    holds_state_dict: ClassVar[bool] = True
    """Whether tensors are named as a network's ``state_dict()`` names them. Such formats stand for each
    other: a file of one loads where the card names another."""

    @abstractmethod
    def recognises(self, path: Path, member: str | None = None) -> bool:
        """Tell whether a file looks like one of this format.

        Cheap and safe: called for every local weight file, whatever it is. Its first bytes
        (`file_start`) should do.

        Parameters
        ----------
        path
            A file that exists.
        member
            Name inside, where `path` is a zip archive of weight files.

        Returns
        -------
        bool
            Whether the beginning of the file is of this format.

        Raises
        ------
        WeightsError
            If the file cannot be read.
        """

    @abstractmethod
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        """Read a file; nothing in it is run.

        Parameters
        ----------
        path
            A file that exists, of this format or of any other.
        member
            Name inside, where `path` is a zip archive of weight files.

        Returns
        -------
        WeightArrays
            What it holds, under its own names.

        Raises
        ------
        WeightsError
            If the file is damaged, hostile or of another layout; the message begins with what
            `file_bytes` calls the file. No other exception may leave here, whatever the file holds.
        """


def file_bytes(path: str | os.PathLike[str], member: str | None = None) -> tuple[bytes, str]:
    """Read a weight file whole, or one member of a zip archive, under the core's limits.

    Parameters
    ----------
    path
        The file.
    member
        Name inside, where `path` is a zip archive: its full name, or the last part of it where only
        one member has that.

    Returns
    -------
    content
        The bytes.
    where
        What messages call the file: ``models.zip (models/signet.pkl)``.

    Raises
    ------
    WeightsError
        If there is no such file or member, or it is damaged, escapes its folder, or is larger than any
        weight file.
    """
    file = _existing(path)
    try:
        with file.open("rb") as stream:
            if member is not None:
                with open_zip(stream, str(file)) as archive:
                    found = find_member(archive, member, str(file))
                    return read_member(archive, found, str(file)), f"{file} ({found.filename})"
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_WEIGHT_FILE:
                raise WeightsError(f"{file}: {size} bytes, more than any weight file has; refused.")
            return stream.read(size), str(file)
    except OSError as problem:
        raise WeightsError(f"{file}: cannot be read ({problem.strerror or problem}).") from problem


def file_start(path: str | os.PathLike[str], member: str | None = None) -> bytes:
    """The first `START_BYTES` bytes of a weight file, or of a member of a zip archive.

    Raises
    ------
    WeightsError
        If there is no such file or member, or the archive is damaged.
    """
    file = _existing(path)
    try:
        with file.open("rb") as stream:
            if member is None:
                return stream.read(START_BYTES)
            with open_zip(stream, str(file)) as archive:
                return member_start(archive, find_member(archive, member, str(file)), START_BYTES, str(file))
    except OSError as problem:
        raise WeightsError(f"{file}: cannot be read ({problem.strerror or problem}).") from problem


def zip_names(path: str | os.PathLike[str], member: str | None = None) -> list[str]:
    """Names in a zip archive; of one inside another, or a damaged one, the first name alone.

    An empty list where the file is no zip archive.
    """
    start = file_start(path, member)
    if start[:4] != b"PK\x03\x04" or len(start) < 30:
        return []
    if member is None:
        try:
            with Path(path).open("rb") as stream, open_zip(stream, str(path)) as archive:
                return archive.namelist()
        except (WeightsError, OSError):
            pass
    length = _LOCAL_HEADER.unpack_from(start)[1]
    return [start[30 : 30 + length].decode("utf-8", "replace")]


def _existing(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.is_file():
        what = "is a folder or device, not a file" if file.exists() else "there is no such file"
        raise WeightsError(f"{file}: {what}.")
    return file
