"""Weight files of the PyTorch programs: ``torch.save`` of three state dicts, both file formats."""

from __future__ import annotations

import io
import warnings
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from sigzoo.common.zip_archives import find_member, open_zip, read_member
from sigzoo.errors import WeightsError
from sigzoo.weights.pickles import PickleReader, Rules
from sigzoo.weights.torch_pickle import TensorRecord, TorchRules

HEADS = ("writer", "forgery")

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_SYSTEM_KEYS = {"protocol_version", "little_endian", "type_sizes"}
_EXPECTED = "expected a tuple of three state dicts (features, writer head, forgery head)"


def read_torch_tuple(data: bytes, where: str) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Read a tuple of three state dicts in torch's zip format or its older one.

    What the pickle declares is described and compared with what the file holds before torch sees
    it: ``weights_only`` alone would allocate whatever sizes a file claims, and read beyond a
    record that is shorter than declared.

    Parameters
    ----------
    data
        The file.
    where
        What messages call the file.

    Returns
    -------
    tensors
        The first state dict, floating point as float32.
    heads
        ``writer`` and ``forgery``, each ``weight`` and ``bias``, where the file has them.

    Raises
    ------
    WeightsError
        If the file is damaged, of another layout, or asks for anything but tensors.
    """
    zipped = data[:4] == b"PK\x03\x04"
    safe = _inspect_zip(data, where) if zipped else _inspect_legacy(data, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = torch.load(io.BytesIO(safe), map_location="cpu", weights_only=True)
        parts = [_state(part) for part in value]
    except Exception as problem:
        # Without torch's own words, which may advise to read the file unsafely.
        raise WeightsError(
            f"{where}: torch cannot read it ({type(problem).__name__}); it is damaged, or of another layout."
        ) from problem
    return parts[0], {name: part for name, part in zip(HEADS, parts[1:], strict=True) if part}


def _state(part: Any) -> dict[str, Tensor]:
    return {
        key: (
            tensor.detach().to(torch.float32) if tensor.is_floating_point() else tensor.detach()
        ).contiguous()
        for key, tensor in (part or {}).items()
    }


def _inspect_zip(data: bytes, where: str) -> bytes:
    """Check the archive and return one of our own making with the members that torch needs.

    Writing it anew leaves torch nothing to interpret differently from what was checked.
    """
    with open_zip(io.BytesIO(data), where) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise WeightsError(f"{where}: a zip archive, but not as torch writes it (no data.pkl in it).")
        folder = pickles[0].removesuffix("data.pkl")
        order = folder + "byteorder"
        if order in archive.namelist():
            stored = read_member(archive, archive.getinfo(order), where)
            if stored != b"little":
                raise WeightsError(f"{where}: written on a big-endian machine; convert it there.")
        if folder + "constants.pkl" in archive.namelist():
            raise WeightsError(f"{where}: a TorchScript program; {_EXPECTED}.")
        program = read_member(archive, archive.getinfo(pickles[0]), where)
        rules = TorchRules()
        value, end = PickleReader(program, where, rules).read()
        if end != len(program):
            raise WeightsError(f"{where}: {len(program) - end} bytes follow the end of its pickle; refused.")
        _check_layout(value, rules, where)
        safe = io.BytesIO()
        with ZipFile(safe, "w", ZIP_STORED) as copy:
            copy.writestr("archive/data.pkl", program)
            copy.writestr("archive/version", b"3\n")
            for key, record in rules.storages.items():
                info = find_member(archive, f"{folder}data/{key}", where)
                if info.file_size != record.nbytes:
                    raise WeightsError(
                        f"{where}: refused: storage {key} declares {record.nbytes} bytes ({record.elements} "
                        f"of {record.type}), the archive holds {info.file_size}."
                    )
                copy.writestr(f"archive/data/{key}", read_member(archive, info, where))
        return safe.getvalue()


def _inspect_legacy(data: bytes, where: str) -> bytes:
    """Check a file of torch's older format: five pickles, then the storages one after another."""
    at = 0
    header = []
    for _ in range(3):
        value, at = PickleReader(data, where, Rules(), at).read()
        header.append(value)
    magic, protocol, system = header
    if type(magic) is not int or magic != _MAGIC or type(protocol) is not int or protocol != _PROTOCOL:
        raise WeightsError(f"{where}: no torch file (wrong magic number or protocol).")
    if not isinstance(system, dict) or set(system) != _SYSTEM_KEYS or system["little_endian"] is not True:
        raise WeightsError(f"{where}: written on a machine of another kind (not little-endian).")
    rules = TorchRules()
    value, at = PickleReader(data, where, rules, at).read()
    _check_layout(value, rules, where)
    keys, at = PickleReader(data, where, Rules(), at).read()
    if (
        type(keys) is not list
        or any(type(key) is not str for key in keys)
        or sorted(keys) != sorted(rules.storages)
    ):
        raise WeightsError(f"{where}: refused: its list of storages is not the one that its tensors use.")
    for key in keys:
        record = rules.storages[key]
        declared = int.from_bytes(data[at : at + 8], "little")
        at += 8 + record.nbytes
        if declared != record.elements or at > len(data):
            raise WeightsError(
                f"{where}: storage {key} declares {record.elements} elements of {record.type}; the file has "
                f"{declared} or ends early. It is damaged; fetch it again."
            )
    if at != len(data):
        raise WeightsError(f"{where}: {len(data) - at} bytes follow the last storage; refused.")
    return data


def _check_layout(value: Any, rules: TorchRules, where: str) -> None:
    if not isinstance(value, tuple) or len(value) != 3:
        raise WeightsError(f"{where}: {_EXPECTED}; found {_found(value)}.")
    for name, part in zip(("features", "writer head", "forgery head"), value, strict=True):
        if part is None and name != "features":
            continue
        if not isinstance(part, dict):
            raise WeightsError(f"{where}: {_EXPECTED}; in place of the {name} found {_found(part)}.")
        for key, entry in part.items():
            if type(key) is not str or not isinstance(entry, TensorRecord):
                raise WeightsError(
                    f"{where}: {key!r:.60} of the {name} is {_found(entry)}, expected a tensor."
                )
        if name != "features" and part and set(part) != {"weight", "bias"}:
            raise WeightsError(f"{where}: the {name} has {sorted(part)[:6]}, expected weight and bias.")
    if not value[0]:
        raise WeightsError(f"{where}: {_EXPECTED}; the first is empty.")
    stored = sum(record.nbytes for record in rules.storages.values())
    if rules.tensor_bytes > stored:
        raise WeightsError(
            f"{where}: refused: its tensors overlap ({rules.tensor_bytes} bytes from {stored})."
        )


def _found(value: Any) -> str:
    if isinstance(value, TensorRecord):
        return f"a tensor of shape {value.shape}"
    if isinstance(value, dict):
        return f"one dict with {len(value)} entries: {[str(key)[:40] for key in list(value)[:4]]}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
