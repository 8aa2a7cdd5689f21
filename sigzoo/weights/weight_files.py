"""Reading a weight file of any format that a card can name, and telling what a file is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sigzoo.common.messages import quoted
from sigzoo.errors import WeightsError
from sigzoo.interfaces.weight_formats import WeightFormat, file_start, zip_names
from sigzoo.weights.formats import all_formats, find_format

if TYPE_CHECKING:
    from sigzoo.installed import Installed

__all__ = ["FileKind", "WeightFile", "detect_format", "read_local_weights", "read_weights"]


_ZIP = "a zip archive"
_MOST_MEMBERS = 32


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
    """Name of the format it was read as."""

    path: Path
    """The file, or the archive it is a member of."""

    member: str | None = field(default=None, kw_only=True)
    """Name inside the archive."""


@dataclass(frozen=True)
class FileKind:
    """What the first bytes of a file say that it is."""

    description: str
    """For messages: "a torch file (zip format)"."""

    formats: tuple[str, ...]
    """Names of the formats that recognise it."""

    @property
    def format(self) -> str | None:
        """The first of `formats`, or `None`."""
        return self.formats[0] if self.formats else None


def read_weights(
    path: str | os.PathLike[str], format: str, *, member: str | None = None, zoo: Installed | None = None
) -> WeightFile:
    """Read a weight file safely: nothing in it is run, no size it declares is trusted.

    Parameters
    ----------
    path
        The file.
    format
        Name of a registered format: ``"safetensors"``, ``"torch"``, ``"torch-tuple"``, ``"lasagne"``, or
        another plugin's; as the card says.
    member
        Name of the file inside, where `path` is a zip archive of weight files.
    zoo
        Whose formats there are; by default the installed ones.

    Returns
    -------
    WeightFile
        Tensors by the network's names, heads, and what the file says of itself.

    Raises
    ------
    WeightsError
        If there is no such file, or it is damaged, hostile or of another format.
    UnknownNameError
        If there is no format of that name; with the nearest ones.
    PluginError
        If the plugin that provides the format does not work.
    """
    found = find_format(format, zoo)
    file = Path(path)
    if member is not None:
        _require_zip(file, member, zoo)
    if not found.recognises(file, member):
        kind = detect_format(file, member=member, zoo=zoo)
        where = str(file) if member is None else f"{file} ({member})"
        hint = " Name the member to read." if kind.description.startswith("a zip") and not member else ""
        raise WeightsError(f"{where}: this is {kind.description}, expected the format {format}.{hint}")
    arrays = found.read(file, member)
    tensors = _tensors(arrays.tensors, file)
    heads = {head: _tensors(parts, file) for head, parts in arrays.heads.items()}
    return WeightFile(tensors, heads, dict(arrays.metadata), format, file, member=member)


def read_local_weights(
    path: str | os.PathLike[str], expected: str, *, member: str | None = None, zoo: Installed | None = None
) -> WeightFile:
    """Read a file that someone has in place of a published one, in whichever way is meant without doubt.

    Parameters
    ----------
    path
        In the format `expected`, or in one that stands for it: safetensors always, and where `expected` is a
        format of state dicts any other such (`WeightFormat.holds_state_dict`). Or a zip archive that holds
        such a file.
    expected
        The format of the published file.
    member
        Name of the published file in its archive, where it lies in one.
    zoo
        Whose formats there are; by default the installed ones.

    Returns
    -------
    WeightFile
        Tensors by the network's names, heads, and what the file says of itself.

    Raises
    ------
    WeightsError
        If there is no such file, or it is damaged, hostile or of another format, or an archive of several
        weight files.
    UnknownNameError, PluginError
        As `read_weights` does.
    """
    file = Path(path)
    kind, inside = detect_format(file, zoo=zoo), None
    if not kind.formats and kind.description == _ZIP:
        inside = _weight_member(file, member, zoo)
        kind = detect_format(file, member=inside, zoo=zoo) if inside else kind
    return read_weights(file, meant_format(kind, expected, zoo), member=inside, zoo=zoo)


def meant_format(kind: FileKind, expected: str, zoo: Installed | None = None) -> str:
    """The format to read a local file as, where `expected` is that of the published one."""
    if expected in kind.formats:
        return expected
    if "safetensors" in kind.formats:
        return "safetensors"
    if find_format(expected, zoo).holds_state_dict:
        return next((name for name in kind.formats if find_format(name, zoo).holds_state_dict), expected)
    return expected


def _weight_member(file: Path, member: str | None, zoo: Installed | None) -> str | None:
    """The member of the published name, or the one weight file of an archive."""
    names = [name for name in zip_names(file) if not name.endswith("/")]
    if member is not None and any(_leaf(name) == _leaf(member) for name in names):
        return member if member in names else _leaf(member)
    # What macOS leaves in archives is nobody's weights.
    names = [name for name in names if not name.startswith("__MACOSX/") and not _leaf(name).startswith(".")]
    if len(names) <= _MOST_MEMBERS:
        names = [name for name in names if detect_format(file, member=name, zoo=zoo).formats]
    return names[0] if len(names) == 1 else member


def _leaf(name: str) -> str:
    return PurePosixPath(name).name


def detect_format(
    path: str | os.PathLike[str], *, member: str | None = None, zoo: Installed | None = None
) -> FileKind:
    """Tell from the first bytes what a file is, for messages and for conversion.

    Parameters
    ----------
    path
        The file.
    member
        The file to look at where `path` is a zip archive.
    zoo
        Whose weight formats are known; the default one's without it.

    Returns
    -------
    FileKind
        The format's name, if one recognises it, and what to call the file.

    Raises
    ------
    WeightsError
        If there is no such file or member.
    """
    file = Path(path)
    if member is not None:
        _require_zip(file, member, zoo)
    start = file_start(file, member)
    found = {name: format for name, format in all_formats(zoo).items() if format.recognises(file, member)}
    return FileKind(_described(file, member, start, found), tuple(found))


def _require_zip(file: Path, member: str, zoo: Installed | None) -> None:
    if file_start(file)[:2] != b"PK":
        kind = detect_format(file, zoo=zoo).description
        raise WeightsError(f"{file}: this is {kind}, expected a zip with {quoted(member)}.")


def _described(file: Path, member: str | None, start: bytes, found: Mapping[str, WeightFormat]) -> str:
    if not start:
        return "an empty file"
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5") and not _is_torch(found):
        # By the pickle's protocol, whatever format may take it: the file can be of none.
        return "a Python 2 pickle" if start[1] == 2 else f"a Python 3 pickle (protocol {start[1]})"
    if found:
        variant = (" (zip format)" if start[:2] == b"PK" else " (the format before 2020)") * _is_torch(found)
        return next(iter(found.values())).description + variant
    if start[:4] == b"PK\x03\x04":
        names = zip_names(file, member)
        npz = names and all(re.fullmatch(r"[^/]+\.npy", name) for name in names)
        return "a zip archive of arrays (npz)" if npz else _ZIP
    for magic, description in _OTHERS.items():
        if start.lstrip(b"\xef\xbb\xbf \t\r\n")[: len(magic)].lower() == magic:
            return description
    return f"a file of an unknown kind (it starts with {start[:8]!r})"


def _is_torch(found: Mapping[str, WeightFormat]) -> bool:
    return any(name.startswith("torch") for name in found)


def _tensors(arrays: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """Tensors of what a format gave, floating point as float32, each compact."""
    found: dict[str, Tensor] = {}
    for key, array in arrays.items():
        tensor = torch.from_numpy(np.array(array)) if isinstance(array, np.ndarray | np.generic) else array
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise WeightsError(f"{file}: its format gave {quoted(array)} as {quoted(key)}, not an array.")
        tensor = tensor.detach()
        found[key] = (tensor.to(torch.float32) if tensor.is_floating_point() else tensor).contiguous()
    return found


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
