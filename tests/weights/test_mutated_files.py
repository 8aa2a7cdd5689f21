"""Damage of any kind to a valid file of any format: it is read, or refused with a `SigzooError`.

`SIGZOO_TEST_EXAMPLES` sets the number of damaged files of each format (150 by default).
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from sigzoo.data import SignatureData, open_npz
from sigzoo.errors import DataError, SigzooError
from sigzoo.weights import read_weights, save_weights

# Read at import, before the suite's fixtures clear what starts with SIGZOO_.
EXAMPLES = int(os.environ.get("SIGZOO_TEST_EXAMPLES", "150"))

Valid = dict[str, tuple[bytes, Callable[[bytes], bytes], Callable[[Path], int]]]
"""What is damaged, what makes a file of it, what reads the file and tells how many bytes it got."""

KINDS = (
    "lasagne",
    "lasagne in a zip",
    "lasagne saved again, protocol 0",
    "lasagne saved again, protocol 2",
    "lasagne saved again, protocol 5",
    "torch zip, protocol 5",
    "torch zip",
    "torch pickle in a sound zip",
    "torch legacy",
    "safetensors",
    "npz stored",
    "npz deflated",
    "npz images in a sound zip",
    "npz labels in a sound zip",
)

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def _read(format: str, member: str | None = None) -> Callable[[Path], int]:
    def size(path: Path) -> int:
        found = read_weights(path, format, member=member)
        heads = [tensor for head in found.heads.values() for tensor in head.values()]
        return sum(tensor.nbytes for tensor in [*found.tensors.values(), *heads])

    return size


def _read_npz(path: Path) -> int:
    """Read all of it, array by array and batch by batch, in order and shuffled."""
    size = 0
    with open_npz(path) as arrays:
        for name in arrays.names:
            try:
                size += arrays[name].read().nbytes
            except DataError:
                continue
    with SignatureData(path) as data:
        for seed in (None, 3):
            size += sum(batch.x.nbytes for batch in data.batches(2, shuffle_seed=seed))
    return size


def _saved(value: Any, zipped: bool, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _arrays(save: Callable[..., None]) -> bytes:
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    x = rng.random((5, 1, 4, 6), dtype=np.float32)
    save(file, x=x, y=np.arange(350, 355), yforg=np.zeros(5), filenames=["a.png", "b.png"])
    return file.getvalue()


def _within(archive: bytes, member: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    """A member, and what puts a changed one back, so that damage gets past the checksums."""
    with zipfile.ZipFile(io.BytesIO(archive)) as original:
        members = {name: original.read(name) for name in original.namelist()}
    found = next(name for name in members if name.endswith(member))

    def repacked(content: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, raw in (members | {found: content}).items():
                archive.writestr(name, raw)
        return file.getvalue()

    return members[found], repacked


def _itself(content: bytes) -> bytes:
    return content


@pytest.fixture(scope="module")
def valid(
    tmp_path_factory: pytest.TempPathFactory,
    python2_pickle: Callable[..., bytes],
    small_arrays: list[NDArray[np.float32]],
) -> Valid:
    """A valid file of each kind."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2))
    head = nn.Linear(4, 3)
    three = (network.state_dict(), head.state_dict(), {})
    pickled = python2_pickle(small_arrays)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("signet.pkl", pickled)
        members.writestr("README.txt", "weights")
    ours = tmp_path_factory.mktemp("valid") / "w.safetensors"
    save_weights(ours, network.state_dict(), {"writer": head.state_dict()}, {"model": "signet"})
    zipped, stored = _saved(three, zipped=True), _arrays(np.savez)
    torch_file = _read("torch-tuple")
    return {
        "lasagne": (pickled, _itself, _read("lasagne")),
        "lasagne in a zip": (archive.getvalue(), _itself, _read("lasagne", "signet.pkl")),
        **{
            f"lasagne saved again, protocol {protocol}": (
                pickle.dumps({"params": small_arrays, "img_size": (170, 242)}, protocol),
                _itself,
                _read("lasagne"),
            )
            for protocol in (0, 2, 5)
        },
        "torch zip, protocol 5": (*_within(_saved(three, zipped=True, protocol=5), "data.pkl"), torch_file),
        "torch zip": (zipped, _itself, torch_file),
        "torch pickle in a sound zip": (*_within(zipped, "data.pkl"), torch_file),
        "torch legacy": (_saved(three, zipped=False), _itself, torch_file),
        "safetensors": (ours.read_bytes(), _itself, _read("safetensors")),
        "npz stored": (stored, _itself, _read_npz),
        "npz deflated": (_arrays(np.savez_compressed), _itself, _read_npz),
        "npz images in a sound zip": (*_within(stored, "x.npy"), _read_npz),
        "npz labels in a sound zip": (*_within(stored, "y.npy"), _read_npz),
    }


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Some changes; places are fractions of the file, so that they shrink with any length."""
    place = st.floats(0, 1, allow_nan=False)
    change = st.one_of(
        st.tuples(st.just("flip"), place, st.integers(0, 7)),
        st.tuples(st.just("set"), place, st.sampled_from(NUMBERS), st.sampled_from([1, 2, 4, 8])),
        st.tuples(st.just("cut"), place),
        st.tuples(st.just("remove"), place, st.integers(1, 40)),
        st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("splice"), place, place, st.integers(1, 60)),
        st.tuples(st.just("repeat"), place, st.integers(1, 60), st.integers(2, 200)),
    )
    return draw(st.lists(change, min_size=1, max_size=4))


def _damaged(content: bytes, changes: list[tuple[Any, ...]]) -> bytes:
    for kind, where, *rest in changes:
        at = int(where * max(len(content) - 1, 0))
        before, after = content[:at], content[at:]
        if kind == "flip" and after:
            content = before + bytes([after[0] ^ 1 << rest[0]]) + after[1:]
        elif kind == "set":
            number, width = rest
            content = before + (number % 256**width).to_bytes(width, "little") + after[width:]
        elif kind == "cut":
            content = before
        elif kind == "remove":
            content = before + after[rest[0] :]
        elif kind == "insert":
            content = before + rest[0] + after
        elif kind == "splice":
            source = int(rest[0] * len(content))
            content = before + content[source : source + rest[1]] + after
        elif kind == "repeat":
            content = before + after[: rest[0]] * rest[1] + after
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_a_valid_file_is_read(valid: Valid, kind: str, tmp_path: Path) -> None:
    content, whole, read = valid[kind]
    path = tmp_path / "file"
    path.write_bytes(whole(content))
    assert read(path) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused(
    valid: Valid, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content, whole, read = valid[kind]
    path = tmp_path_factory.mktemp("damaged") / "file"

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(changes=damage())
    def check(changes: list[tuple[Any, ...]]) -> None:
        damaged = whole(_damaged(content, changes))
        path.write_bytes(damaged)
        refusal = None
        try:
            size = read(path)
        except SigzooError as error:
            size, refusal = 0, str(error)
        assert refusal is None or str(path) in refusal
        # Whatever a file claims, no more comes out of it than deflate can yield.
        assert size <= 1032 * max(len(damaged), 1) * 3

    check()
