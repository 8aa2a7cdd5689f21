"""Reading a weight file of any format that a card can name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from sigzoo.common.zip_archives import find_member, open_zip, read_member
from sigzoo.errors import UsageError, WeightsError
from sigzoo.weights.lasagne import read_lasagne
from sigzoo.weights.safetensors_file import read_safetensors
from sigzoo.weights.torch_tuple import read_torch_tuple

FORMATS = ("safetensors", "torch-tuple", "lasagne")

MAX_FILE_BYTES = 4 << 30
"""Largest weight file that is read; SigNet's take 64 MB."""


@dataclass(frozen=True)
class WeightFile:
    """What a weight file holds, as it names it."""

    tensors: dict[str, Tensor]
    """The backbone's arrays, not yet mapped to a network (see `Backbone.adapt_weights`)."""

    heads: dict[str, dict[str, Tensor]]
    """``writer`` and ``forgery``: ``weight`` (outputs, features) and ``bias`` (outputs)."""

    metadata: dict[str, str]
    """Texts that the file carries."""

    format: str
    """One of `FORMATS`."""

    path: Path
    """The file, or the archive it is a member of."""

    member: str | None = field(default=None, kw_only=True)
    """Name inside the archive."""


@dataclass(frozen=True)
class FileKind:
    """What the first bytes of a file say that it is."""

    description: str
    """For messages: "a torch file (zip format)"."""

    format: str | None
    """One of `FORMATS`, or `None`."""


def read_weights(path: str | os.PathLike[str], format: str, *, member: str | None = None) -> WeightFile:
    """Read a weight file safely: nothing in it is run, no size it declares is trusted.

    Parameters
    ----------
    path
        The file.
    format
        ``"safetensors"``, ``"torch-tuple"`` or ``"lasagne"``, as the card says.
    member
        Name of the file inside, where `path` is a zip archive of weight files.

    Raises
    ------
    WeightsError
        If there is no such file, or it is damaged, hostile or of another format.
    UsageError
        If `format` is none of these.
    """
    if format not in FORMATS:
        raise UsageError(f"There is no weight format {format!r}; there are {', '.join(FORMATS)}.")
    file = Path(path)
    data, where = _content(file, member)
    kind = _kind_of(data[:1024])
    if kind.format != format:
        hint = " Name the member to read." if kind.description.startswith("a zip") and not member else ""
        raise WeightsError(f"{where}: this is {kind.description}, expected the format {format}.{hint}")
    heads: dict[str, dict[str, Tensor]] = {}
    metadata: dict[str, str] = {}
    if format == "safetensors":
        tensors, heads, metadata = read_safetensors(data, where)
    elif format == "torch-tuple":
        tensors, heads = read_torch_tuple(data, where)
    else:
        tensors, metadata = read_lasagne(data, where)
    return WeightFile(tensors, heads, metadata, format, file, member=member)


def detect_format(path: str | os.PathLike[str], *, member: str | None = None) -> FileKind:
    """Tell from the first bytes what a file is, for messages and for conversion.

    Raises
    ------
    WeightsError
        If there is no such file or member.
    """
    file = Path(path)
    _require_file(file)
    if member is not None:
        return _kind_of(_content(file, member)[0][:1024])
    try:
        with file.open("rb") as stream:
            return _kind_of(stream.read(1024))
    except OSError as problem:
        raise WeightsError(f"{file}: cannot be read ({problem.strerror}).") from problem


def _content(file: Path, member: str | None) -> tuple[bytes, str]:
    """The bytes of a file or of a member, and what messages call it."""
    _require_file(file)
    try:
        with file.open("rb") as stream:
            if member is not None:
                if stream.read(2) != b"PK":
                    stream.seek(0)
                    kind = _kind_of(stream.read(1024))
                    raise WeightsError(f"{file}: this is {kind.description}, expected a zip with {member!r}.")
                with open_zip(stream, str(file)) as archive:
                    found = find_member(archive, member, str(file))
                    return read_member(archive, found, str(file)), f"{file} ({member})"
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise WeightsError(f"{file}: {size} bytes, more than any weight file has; refused.")
            return stream.read(size), str(file)
    except OSError as problem:
        raise WeightsError(f"{file}: cannot be read ({problem.strerror}).") from problem


def _require_file(file: Path) -> None:
    if not file.is_file():
        what = "is a folder or device, not a file" if file.exists() else "there is no such file"
        raise WeightsError(f"{file}: {what}.")


def _kind_of(start: bytes) -> FileKind:
    if not start:
        return FileKind("an empty file", None)
    # First, for its length field may begin like any of the others (640 bytes: 80 02).
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 40:
        return FileKind("a safetensors file", "safetensors")
    if start[:4] == b"PK\x03\x04":
        if re.match(rb"[^/]+/(data\.pkl|data/|version|byteorder|\.)", start[30:400]):
            return FileKind("a torch file (zip format)", "torch-tuple")
        npz = re.match(rb"[\w.-]+\.npy", start[30:130])
        return FileKind("a zip archive of arrays (npz)" if npz else "a zip archive", None)
    if start[:2] == b"\x80\x02":
        if start[2:14] == b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19":
            return FileKind("a torch file (the format before 2020)", "torch-tuple")
        return FileKind("a Python 2 pickle", "lasagne")
    if start[:2] in (b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return FileKind(f"a Python 3 pickle (protocol {start[1]})", None)
    for magic, description in _OTHERS.items():
        if start.lstrip(b"\xef\xbb\xbf \t\r\n")[: len(magic)].lower() == magic:
            return FileKind(description, None)
    return FileKind(f"a file of an unknown kind (it starts with {start[:8]!r})", None)


_OTHERS = {
    b"<!doctype html": "an HTML page (an error or warning page saved in place of the file?)",
    b"<html": "an HTML page (an error or warning page saved in place of the file?)",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself (run git lfs pull)",
    b"\x1f\x8b": "a gzip file (unpack it first)",
    b"\x93numpy": "a single numpy array (npy)",
    b"\x89hdf": "an HDF5 file",
    b"\x89png": "a PNG image",
    b"%pdf": "a PDF document",
    b"pk\x05\x06": "an empty zip archive",
}
