"""Small files that stand for much work or memory: bounded, whatever they claim."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import sigzoo
from sigzoo.errors import WeightsError
from sigzoo.weights import read_weights
from sigzoo.weights.safetensors_files import save_weights
from sigzoo.weights.state_dicts import PREFIXES, fit_names


def _header(pairs: list[tuple[str, object]]) -> bytes:
    text = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"
    return struct.pack("<Q", len(text)) + text.encode() + bytes(16)


HEADERS: dict[str, list[tuple[str, object]]] = {
    "20,000 keys, the last one twice": [(str(i), 0) for i in range(20_000)] + [("zz", 0)] * 2,
    "400,000 keys, the last one twice": [(str(i), 0) for i in range(400_000)] + [("zz", 0)] * 2,
    "200,000 keys, each twice": [(str(i), 0) for i in range(200_000)] * 2,
    "one key 600,000 times": [("a", 0)] * 600_000,
    "a dtype that is nested 900 deep": [("a", {"dtype": json.loads("[" * 900 + "]" * 900)})],
    "a shape that is nested 900 deep": [
        ("a", {"dtype": "F32", "shape": json.loads("[" * 900 + "]" * 900), "data_offsets": [0, 16]})
    ],
    "offsets of 4,000 digits": [("a", {"dtype": "F32", "shape": [4], "data_offsets": [0, 10**4_000]})],
    "a name of 5 MB": [("a" * (5 << 20), 0)],
}


@pytest.mark.parametrize("what", list(HEADERS))
def test_headers_of_safetensors_take_linear_time(what: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(_header(HEADERS[what]))
    began = time.process_time()
    with pytest.raises(WeightsError) as refusal:
        read_weights(path, "safetensors")
    assert time.process_time() - began < 10
    assert len(str(refusal.value)) < len(str(path)) + 400


def _npy(descr: str, shape: tuple[int, ...], size: int) -> Callable[[zipfile.ZipFile, str], None]:
    def write(archive: zipfile.ZipFile, name: str) -> None:
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(
                member, {"descr": descr, "fortran_order": False, "shape": shape}
            )
            for start in range(0, size, 1 << 20):
                member.write(bytes(min(1 << 20, size - start)))

    return write


COUNT = 30_000_000
NPZ = {
    "images": {"x": _npy("|u1", (5, 1, 4096, 4096), 5 << 24), "y": _npy("<i8", (5,), 40)},
    "labels": {"x": _npy("|u1", (9_000_000, 1, 1, 1), 9_000_000), "y": _npy("<i8", (9_000_000,), 72_000_000)},
    "too many labels": {"x": _npy("|u1", (COUNT, 1, 1, 1), COUNT), "y": _npy("<i8", (COUNT,), 8 * COUNT)},
    "names": {
        "x": _npy("|u1", (2, 1, 2, 2), 8),
        "y": _npy("<i8", (2,), 16),
        "filenames": _npy("<U30000", (2_000,), 240_000_000),
    },
    "user_mapping": {
        "x": _npy("|u1", (2, 1, 2, 2), 8),
        "y": _npy("<i8", (2,), 16),
        "user_mapping": _npy("<f8", (30_000_000,), 240_000_000),
    },
}

DESCRIBE = """
import resource, sys
from pathlib import Path
import numpy
from sigzoo.data import SignatureData, open_npz
from sigzoo.errors import DataError

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        with SignatureData(path) as data:
            data.describe(), data.filenames, data.user_mapping
    except DataError as error:
        assert len(str(error)) < len(path) + 400
    with open_npz(path) as arrays:
        for name in arrays.names:
            try:
                arrays[name], arrays[name].read()
            except DataError as error:
                assert path in str(error)
    print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, reads /proc")
def test_arrays_that_inflate_are_described_in_little_memory(tmp_path: Path) -> None:
    paths = []
    for title, arrays in NPZ.items():
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, write in arrays.items():
                write(archive, name)
        paths.append(str(tmp_path / f"{title}.npz"))
        Path(paths[-1]).write_bytes(content.getvalue())
        assert len(content.getvalue()) < 2 << 20
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, *paths],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stdout.split() == ["done"] * len(NPZ)


@pytest.mark.parametrize("prefix", [*PREFIXES, "".join(PREFIXES)])
def test_names_of_megabytes_of_prefixes_take_one_walk_for_each_wrapper_that_there_may_be(prefix: str) -> None:
    walks = 0

    def adapt(found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        nonlocal walks
        walks += 1
        return found

    name = prefix * ((6 << 20) // len(prefix)) + "weight"
    began = time.process_time()
    found = fit_names({name: torch.zeros(1)}, {"weight"}, adapt)
    assert time.process_time() - began < 10
    assert list(found) == ["weight"] or walks <= 12


def test_versions_that_a_pickle_attaches_again_and_again_are_counted(tmp_path: Path) -> None:
    def count(number: int) -> bytes:
        return b"J" + struct.pack("<i", number)

    # {"a": versions, "b": {0: versions, ...}, "c": {"_metadata": b}, "d": OrderedDict() with c, 20,000 times}
    versions = b"}q\x01(" + b"".join(count(n) + b"K\x01" for n in range(2_000)) + b"u"
    many = b"}q\x02(" + b"".join(count(n) + b"h\x01" for n in range(200)) + b"u"
    program = b"\x80\x02}U\x01a" + versions + b"sU\x01b" + many + b"sU\x01c}q\x03U\x09_metadatah\x02ss"
    program += b"U\x01dccollections\nOrderedDict\n)R" + b"h\x03b" * 20_000 + b"s."
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    began = time.process_time()
    with pytest.raises(WeightsError, match="version numbers"):
        read_weights(path, "torch")
    # In processor time.
    assert time.process_time() - began < 10


def test_what_a_file_says_of_itself_is_quoted_in_few_words(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = sigzoo.load("synsig-tiny", device="cpu")
    state = model.backbone.state_dict()
    save_weights(path, state, metadata={"model": "\x1b[31m" + "x" * (4 << 20)})
    with pytest.raises(WeightsError, match="holds the weights of") as refusal:
        sigzoo.load("synsig-tiny", weights=path, device="cpu")
    message = str(refusal.value).removeprefix(str(path))
    assert message.isprintable()
    assert len(message) < 400
