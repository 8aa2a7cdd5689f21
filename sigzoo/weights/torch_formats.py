"""Weight files of PyTorch programs: the tuple of three state dicts, and the state dict alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sigzoo.common.messages import listed, quoted
from sigzoo.errors import WeightsError
from sigzoo.interfaces.weight_formats import (
    WeightArrays,
    WeightFormat,
    file_bytes,
    file_start,
    zip_names,
)
from sigzoo.weights.heads import HEADS, has_heads, split_heads
from sigzoo.weights.torch_files import TorchFile, read_torch_file
from sigzoo.weights.torch_pickle import TensorRecord

__all__ = ["TorchFormat", "TorchTupleFormat"]

LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_PARTS = ("features", "writer head", "forgery head")
_EXPECTED = (
    "expected a state dict, or a tuple of three state dicts (features, writer head, forgery head), or one"
    ' state dict under a name such as "state_dict"'
)
_MAX_LEVELS = 3


class TorchFormat(WeightFormat):
    """What ``torch.save`` makes of a state dict, in the format of today and in that before 2020.

    The state dict stands alone, or in a dict that holds one under some name (``{"epoch": 9,
    "state_dict": ...}``), or first in a tuple or list of three, before the writer head's and the forgery
    head's. Where several could be meant, none is taken.
    """

    description = "a torch file"

    def recognises(self, path: Path, member: str | None = None) -> bool:
        """Tell torch's archive by its members, its older format by the magic number."""
        start = file_start(path, member)
        if start[:4] == b"PK\x03\x04":
            names = zip_names(path, member)
            return any(name.endswith("/data.pkl") and name.count("/") == 1 for name in names)
        return start[:1] == b"\x80" and LEGACY_MAGIC in start[:32]

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        """Read the tensors.

        Raises
        ------
        WeightsError
            If the file is damaged, of another layout, or asks for anything but plain values and tensors.
        """
        file = read_torch_file(*file_bytes(path, member))
        value = file.value
        if isinstance(value, tuple | list) and len(value) == 3:
            return _three(file, value)
        if isinstance(value, dict):
            tensors = _tensors(file, _state_dict(value, file.where))
            # Only where it is our own layout throughout: a network may have a part called head itself.
            heads = split_heads(tensors, file.where) if has_heads(tensors) else (tensors, {})
            return WeightArrays(*heads)
        raise WeightsError(f"{file.where}: {_EXPECTED}; found {_found(value)}.")


class TorchTupleFormat(TorchFormat):
    """The files of sigver: a tuple of three state dicts. Whatever `TorchFormat` takes is taken too."""


def _three(file: TorchFile, value: Any) -> WeightArrays:
    for name, part in zip(_PARTS, value, strict=True):
        _check_part(name, part, file.where)
    if not value[0]:
        raise WeightsError(f"{file.where}: {_EXPECTED}; the first is empty.")
    heads = {head: _tensors(file, part) for head, part in zip(HEADS, value[1:], strict=True) if part}
    return WeightArrays(_tensors(file, value[0]), heads)


def _check_part(name: str, part: Any, where: str) -> None:
    if part is None and name != "features":
        return
    if not isinstance(part, dict):
        raise WeightsError(f"{where}: {_EXPECTED}; in place of the {name} found {_found(part)}.")
    for key, entry in part.items():
        if type(key) is not str or not isinstance(entry, TensorRecord):
            raise WeightsError(
                f"{where}: {quoted(key)} of the {name} is {_found(entry)}, expected a tensor under its name."
            )
    if name != "features" and part and set(part) != {"weight", "bias"}:
        raise WeightsError(f"{where}: the {name} has {listed(part)}, expected weight and bias.")


def _tensors(file: TorchFile, part: Mapping[str, TensorRecord]) -> dict[str, Any]:
    return {key: file.tensor(record) for key, record in part.items()}


def _state_dict(value: dict[Any, Any], where: str) -> dict[str, TensorRecord]:
    """The one state dict of a file."""
    found = dict(_state_dicts(value))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise WeightsError(
            f"{where}: holds several state dicts: {listed(found)}. Which one is meant cannot be told; save"
            " that one alone."
        )
    if not value:
        raise WeightsError(f"{where}: {_EXPECTED}; found an empty dict.")
    stray = next((key for key, each in value.items() if not isinstance(each, TensorRecord)), None)
    if any(isinstance(each, TensorRecord) for each in value.values()) and stray is not None:
        raise WeightsError(f"{where}: {quoted(stray)} is {_found(value[stray])}, expected a tensor.")
    raise WeightsError(f"{where}: {_EXPECTED}; found {_found(value)}.")


def _state_dicts(value: dict[Any, Any], name: str = "", level: int = 1) -> Iterator[tuple[str, Any]]:
    """State dicts in a dict of dicts, by their names (``model.state_dict``)."""
    if value and all(type(k) is str and isinstance(each, TensorRecord) for k, each in value.items()):
        yield name, value
        return
    # A tensor beside the dicts may be a score; one with axes is a layer that would be left out.
    if level == _MAX_LEVELS or any(isinstance(each, TensorRecord) and each.shape for each in value.values()):
        return
    for key, each in value.items():
        if isinstance(each, dict) and type(key) is str:
            yield from _state_dicts(each, f"{name}.{key}" if name else key, level + 1)


def _found(value: Any) -> str:
    if isinstance(value, TensorRecord):
        return f"a tensor of shape {value.shape}"
    if isinstance(value, dict):
        return f"a dict with {len(value)} entries: {listed(value, 6, 40)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__.lower()}"
