"""Reading what ``torch.save`` wrote, in both file formats, without torch's own unpickler.

The pickle is described by an interpreter of ours and compared with what the file holds; tensors are then
made from the numbers themselves. ``torch.load`` is not asked, in none of its modes: it would allocate
whatever a file claims, and older releases ran programs that an archive held.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sigzoo.common.limits import (
    FREE_INFLATION,
    MAX_ARCHIVE_RATIO,
    MAX_INSTRUCTIONS,
    MAX_PICKLE_MEMBER,
)
from sigzoo.common.pickles import PickleReader, PickleRules
from sigzoo.common.zip_archives import check_inflation, find_member, open_zip, read_member
from sigzoo.errors import SigzooError, WeightsError
from sigzoo.weights.torch_pickle import StorageRecord, TensorRecord, TorchRules

__all__ = ["TorchFile", "read_torch_file"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_SYSTEM_KEYS = {"protocol_version", "little_endian", "type_sizes"}
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<i2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
}


class TorchFile:
    """What a torch file holds, and its tensors by their records.

    Parameters
    ----------
    value
        What was saved: plain values, with a `TensorRecord` for each tensor.
    load
        Compares what the pickle declares with what the file holds and gives the storages' bytes by key;
        called when the first tensor is wanted.
    where
        What messages call the file.
    """

    def __init__(self, value: Any, load: Callable[[], Mapping[str, bytes | memoryview]], where: str) -> None:
        self.value, self.where = value, where
        self._load = load
        self._storages: Mapping[str, bytes | memoryview] = {}
        self._made: dict[TensorRecord, Tensor] = {}

    def tensor(self, record: TensorRecord) -> Tensor:
        """Make a tensor, compact and its own memory; the same one for the same view of a storage.

        Raises
        ------
        SigzooError
            If the file does not hold what it declares.
        """
        self._storages = self._storages or self._load()
        if record not in self._made:
            self._made[record] = _tensor(record, self._storages[record.storage.key])
        return self._made[record]

    def with_tensors(self, value: Any) -> Any:
        """A copy of a part of `value` in which tensors stand for their records."""
        if isinstance(value, TensorRecord):
            return self.tensor(value)
        if isinstance(value, dict):
            return {key: self.with_tensors(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.with_tensors(each) for each in value)
        return value


def read_torch_file(
    data: bytes,
    where: str,
    *,
    error: type[SigzooError] = WeightsError,
    instructions: int = MAX_INSTRUCTIONS,
    may_share: bool = False,
) -> TorchFile:
    """Read a file of ``torch.save``.

    Parameters
    ----------
    data
        The file.
    where
        What messages call it.
    error
        Class of the error to raise.
    instructions
        How many its pickle may have.
    may_share
        Whether several names may stand for one tensor, as tied weights do.

    Raises
    ------
    SigzooError
        Of class `error`, if the file is damaged, asks for anything but plain values and tensors, or does
        not hold what it declares.
    """
    reader = _Reader(where, error, instructions, may_share)
    return reader.zipped(data) if data[:4] == b"PK\x03\x04" else reader.legacy(data)


class _Reader:
    def __init__(self, where: str, error: type[SigzooError], instructions: int, may_share: bool) -> None:
        self._where, self._error = where, error
        self._instructions, self._may_share = instructions, may_share

    def _refuse(self, reason: str) -> SigzooError:
        return self._error(f"{self._where}: {reason}")

    def _pickle(self, data: bytes, rules: PickleRules, at: int = 0) -> tuple[Any, int]:
        limit, error = self._instructions, self._error
        return PickleReader(data, self._where, rules, at, instructions=limit, error=error).read()

    def zipped(self, data: bytes) -> TorchFile:
        where, error = self._where, self._error
        with open_zip(io.BytesIO(data), where, error) as archive:
            names = archive.namelist()
            pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(pickles) != 1:
                raise self._refuse("a zip archive, but not as torch writes it (no data.pkl in it).")
            folder = pickles[0].removesuffix("data.pkl")
            if folder + "constants.pkl" in names:
                raise self._refuse(
                    "a TorchScript program, which is never run; save the state_dict() of the module instead."
                )
            if folder + "byteorder" in names:
                info = archive.getinfo(folder + "byteorder")
                check_inflation(info, where, error, 64)
                if read_member(archive, info, where, error) != b"little":
                    raise self._refuse("written on a big-endian machine; convert it there.")
            info = archive.getinfo(pickles[0])
            check_inflation(info, where, error, MAX_PICKLE_MEMBER)
            program = read_member(archive, info, where, error)
            rules = TorchRules()
            value, end = self._pickle(program, rules)
            if end != len(program):
                raise self._refuse(f"{len(program) - end} bytes follow the end of its pickle; refused.")
        return TorchFile(value, lambda: self._members(data, folder, rules), where)

    def _members(self, data: bytes, folder: str, rules: TorchRules) -> dict[str, bytes]:
        """The storages of a zip archive, once all of them are what the pickle declares."""
        where, error = self._where, self._error
        self._check_sharing(rules)
        with open_zip(io.BytesIO(data), where, error) as archive:
            members = {
                key: find_member(archive, f"{folder}data/{key}", where, error) for key in rules.storages
            }
            for key, record in rules.storages.items():
                self._check_size(key, record, members[key].file_size)
            total = sum(info.file_size for info in members.values())
            if total > FREE_INFLATION and total > MAX_ARCHIVE_RATIO * len(data):
                raise self._refuse(f"would inflate {len(data)} bytes to {total}; refused.")
            return {key: read_member(archive, info, where, error) for key, info in members.items()}

    def legacy(self, data: bytes) -> TorchFile:
        """A file of torch's older format: five pickles, then the storages one after another."""
        at, header = 0, []
        for _ in range(3):
            value, at = self._pickle(data, PickleRules(), at)
            header.append(value)
        magic, protocol, system = header
        if type(magic) is not int or magic != _MAGIC or type(protocol) is not int or protocol != _PROTOCOL:
            raise self._refuse("no torch file (wrong magic number or protocol).")
        if not isinstance(system, dict) or set(system) != _SYSTEM_KEYS or system["little_endian"] is not True:
            raise self._refuse("written on a machine of another kind (not little-endian).")
        rules = TorchRules()
        value, at = self._pickle(data, rules, at)
        return TorchFile(value, lambda: self._blocks(data, at, rules), self._where)

    def _blocks(self, data: bytes, at: int, rules: TorchRules) -> dict[str, memoryview]:
        """The storages behind the pickles, once all of them are what those declare."""
        self._check_sharing(rules)
        keys, at = self._pickle(data, PickleRules(), at)
        named = type(keys) is list and all(type(key) is str for key in keys)
        if not named or sorted(keys) != sorted(rules.storages):
            raise self._refuse("refused: its list of storages is not the one that its tensors use.")
        storages: dict[str, memoryview] = {}
        content = memoryview(data)
        for key in keys:
            record = rules.storages[key]
            declared = int.from_bytes(data[at : at + 8], "little")
            storages[key] = content[at + 8 : at + 8 + record.nbytes]
            at += 8 + record.nbytes
            if declared != record.elements or at > len(data):
                raise self._refuse(
                    f"storage {key} declares {record.elements} elements of {record.type}; the file has "
                    f"{declared} or ends early. It is damaged; fetch it again."
                )
        if at != len(data):
            raise self._refuse(f"{len(data) - at} bytes follow the last storage; refused.")
        return storages

    def _check_size(self, key: str, record: StorageRecord, size: int) -> None:
        if size != record.nbytes:
            raise self._refuse(
                f"refused: storage {key} declares {record.nbytes} bytes ({record.elements} "
                f"of {record.type}), the archive holds {size}."
            )

    def _check_sharing(self, rules: TorchRules) -> None:
        """Each tensor gets memory of its own, which views of one storage could multiply."""
        stored = sum(record.nbytes for record in rules.storages.values())
        wanted = sum(view.nbytes for view in rules.views) if self._may_share else rules.tensor_bytes
        if wanted > stored:
            raise self._refuse(f"refused: its tensors overlap ({wanted} bytes from {stored}).")


def _tensor(record: TensorRecord, raw: bytes | memoryview) -> Tensor:
    kind = np.dtype(_DTYPES[record.storage.type])
    flat = np.frombuffer(raw, kind, record.storage.elements)[record.offset :]
    strides = tuple(step * kind.itemsize for step in record.strides)
    # Shape and strides were checked against the storage; an empty view has nothing to point at.
    view = np.lib.stride_tricks.as_strided(flat, record.shape, strides) if prod(record.shape) else flat[:0]
    values = torch.from_numpy(np.array(view, order="C", copy=True).reshape(record.shape))
    if record.storage.type == "BFloat16Storage":
        return values.view(torch.bfloat16)
    return values.bool() if record.storage.type == "BoolStorage" else values
