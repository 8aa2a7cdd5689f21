"""Every check of a weight format finds the fault it is there for; our own formats pass them all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from sigzoo.errors import WeightsError
from sigzoo.interfaces.weight_formats import WeightArrays, WeightFormat, file_bytes, file_start
from sigzoo.testing import ConformanceFailure
from sigzoo.testing.weight_formats import WEIGHT_FORMAT, WeightFormatCase, check_weight_format
from sigzoo.zoo import default_zoo


def _torch(path: Path, arrays: WeightArrays) -> None:
    torch.save({name: torch.from_numpy(np.array(value)) for name, value in arrays.tensors.items()}, path)


def _tuple(path: Path, arrays: WeightArrays) -> None:
    state = {name: torch.from_numpy(np.array(value)) for name, value in arrays.tensors.items()}
    torch.save((state, None, None), path, _use_new_zipfile_serialization=False)


WRITERS: dict[str, Any] = {
    "safetensors": lambda path, arrays: safetensors.numpy.save_file(dict(arrays.tensors), path),
    "torch": _torch,
    "torch-tuple": _tuple,
    "lasagne": lambda path, arrays: path.write_bytes(
        pickle.dumps({"params": list(arrays.tensors.values())}, 2)
    ),
}


def test_there_is_a_writer_for_each_format_of_ours() -> None:
    assert set(WRITERS) == set(default_zoo().list_components("weight_format"))


@pytest.mark.parametrize("name", list(WRITERS))
def test_our_own_formats_conform(name: str) -> None:
    format = default_zoo().build("weight_format", name)
    check_weight_format(format, WRITERS[name])
    check_weight_format(format)


MAGIC = b"ARR1"


def _write(path: Path, arrays: WeightArrays) -> None:
    parts = [MAGIC]
    for name, value in arrays.tensors.items():
        array = np.asarray(value, "<f4")
        head = f"{name} {' '.join(map(str, array.shape))}\n".encode()
        parts += [head, array.tobytes()]
    path.write_bytes(b"".join(parts))


class Sound(WeightFormat):
    """A format as a stranger would write it: a name and a shape in a line, then the numbers."""

    description = "a file of arrays with their shapes"

    def recognises(self, path: Path, member: str | None = None) -> bool:
        return file_start(path, member).startswith(MAGIC)

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        data, where = file_bytes(path, member)
        if not data.startswith(MAGIC):
            raise WeightsError(f"{where}: no file of arrays.")
        found, at = {}, len(MAGIC)
        while at < len(data):
            end = data.find(b"\n", at, at + 200)
            try:
                name, *sizes = data[at:end].decode("ascii").split(" ")
                shape = tuple(int(size) for size in sizes)
                count = int(np.prod(shape, dtype=object)) if end > 0 else -1
                if min(shape) < 0 or not 0 <= 4 * count <= len(data) - end - 1:
                    raise ValueError("more than there is")
                found[name] = np.frombuffer(data, "<f4", count, end + 1).reshape(shape)
            except (ValueError, OverflowError) as error:
                raise WeightsError(f"{where}: damaged at byte {at} ({error!s:.80}).") from error
            at = end + 1 + 4 * count
        return WeightArrays(found)


class Nameless(Sound):
    description = ""


class Greedy(Sound):
    def recognises(self, path: Path, member: str | None = None) -> bool:
        file_start(path, member)
        return True


class Blind(Sound):
    def recognises(self, path: Path, member: str | None = None) -> bool:
        file_start(path, member)
        return False


class Deaf(Sound):
    """Reads the archive in place of its member."""

    def recognises(self, path: Path, member: str | None = None) -> bool:
        return super().recognises(path)

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        return super().read(path)


class Careless(Sound):
    """Believes what the file says."""

    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        data, _ = file_bytes(path, member)
        found, at = {}, len(MAGIC)
        while at < len(data):
            end = data.index(b"\n", at)
            name, *sizes = data[at:end].decode().split(" ")
            shape = tuple(int(size) for size in sizes)
            found[name] = np.frombuffer(data, "<f4", int(np.prod(shape)), end + 1).reshape(shape)
            at = end + 1 + found[name].nbytes
        return WeightArrays(found)


class Wasteful(Sound):
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        np.zeros(200 << 20, np.uint8)
        return super().read(path, member)


class Shuffling(Sound):
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        found = super().read(path, member)
        return WeightArrays({name: value[::-1] for name, value in found.tensors.items()})


class Forgetful(Sound):
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        found = super().read(path, member)
        return WeightArrays(dict(list(found.tensors.items())[1:]))


class Silent(Sound):
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        try:
            return super().read(path, member)
        except WeightsError:
            raise WeightsError("It is damaged.") from None


class Talkative(Sound):
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        try:
            return super().read(path, member)
        except WeightsError as error:
            raise WeightsError(f"{error} {'why ' * 1000}") from None


class Unpickling(Sound):
    def read(self, path: Path, member: str | None = None) -> WeightArrays:
        try:
            return super().read(path, member)
        except WeightsError:
            data, where = file_bytes(path, member)
            try:
                pickle.loads(data)
            except Exception:
                raise WeightsError(f"{where}: no pickle.") from None
            raise WeightsError(f"{where}: no arrays.") from None


def test_a_format_that_a_stranger_wrote_conforms() -> None:
    check_weight_format(Sound(), _write)


@pytest.mark.parametrize(
    ("format", "check", "says"),
    [
        (Nameless, "description", "`description` is"),
        (Greedy, "other_files", "takes an empty file for its own"),
        (Blind, "round_trip", "does not recognise what was written"),
        (Deaf, "member_of_a_zip", "does not recognise it"),
        (Careless, "damage", "expected WeightsError, got"),
        (Careless, "other_files", "expected WeightsError, got|reads"),
        (Wasteful, "round_trip", "took 2.. MiB"),
        (Shuffling, "round_trip", "conv.weight has other values"),
        (Forgetful, "round_trip", "gives 2 of 3 arrays"),
        (Silent, "other_files", "does not name the file"),
        (Talkative, "damage", "the message has 4... letters"),
        (Unpickling, "nothing_runs", "runs what a pickle of protocol"),
    ],
)
def test_a_fault_is_found_by_its_check(format: type[WeightFormat], check: str, says: str) -> None:
    with pytest.raises(ConformanceFailure, match=f"{check}: .*({says})"):
        WEIGHT_FORMAT.checks[check](WeightFormatCase(format(), _write))
