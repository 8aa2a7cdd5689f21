"""Every hostile file is refused with a clear error, nothing in it runs, and no memory is taken for it."""

from __future__ import annotations

import json
import os
import pickletools
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hostile_weights import Hostile, archives, every_file, npz, pickles, safetensors, torch_files
from hostile_weights.assembler import harmless

from sigzoo.data import SignatureData
from sigzoo.errors import DataError, SigzooError, WeightsError
from sigzoo.weights import read_weights

READ_ALL = """
import json, resource, sys
from pathlib import Path
import numpy, torch
from sigzoo.errors import SigzooError
from sigzoo.data import SignatureData
from sigzoo.weights import read_weights

torch.set_num_threads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (384 << 20),) * 2)
for path, kind, member in json.loads(sys.stdin.read()):
    try:
        if kind == "npz":
            SignatureData(path).close()
        else:
            read_weights(path, kind, member=member)
    except SigzooError:
        print("refused")
    else:
        print("taken:", path)
"""


def _read(hostile: Hostile, path: Path) -> None:
    if hostile.format == "npz":
        SignatureData(path).close()
    else:
        read_weights(path, hostile.format, member=hostile.member)


def test_it_is_refused_with_the_reason_and_nothing_runs(hostile: Hostile, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "hostile.bin"
    path.write_bytes(hostile.make(f"touch {shlex.quote(str(canary))}"))
    before = sorted(tmp_path.iterdir())

    with pytest.raises(SigzooError) as refusal:
        _read(hostile, path)

    expected = DataError if hostile.format == "npz" else WeightsError
    message = str(refusal.value)
    assert type(refusal.value) is expected
    assert str(path) in message
    assert re.search(hostile.says, message), message
    assert len(message) < 700
    assert sorted(tmp_path.iterdir()) == before, "the file left something behind"


def test_there_are_enough_of_each_kind() -> None:
    files = list(every_file())
    assert len({each.name for each in files}) == len(files) >= 40
    kinds = Counter(each.name.split()[0] for each in files)
    assert min(kinds.values()) >= 20, kinds


def test_the_files_that_call_something_are_programs_that_a_pickler_would_run() -> None:
    for title, make in pickles.CALLS.items():
        program = make("touch canary")
        # dis checks stack and memo as it goes: what it accepts, an unrestricted unpickler executes.
        with Path(os.devnull).open("w") as nowhere:
            pickletools.dis(program, nowhere)
        named = [str(argument) for op, argument, _ in pickletools.genops(program) if op.name == "GLOBAL"]
        assert named, title


def test_their_harmless_siblings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(harmless())
    assert len(read_weights(path, "lasagne").tensors) == 2
    for content in (
        torch_files.zipped(*torch_files.harmless("zip")),
        torch_files.legacy(*torch_files.harmless("legacy")),
    ):
        path.write_bytes(content)
        assert list(read_weights(path, "torch-tuple").tensors) == ["w"]
    path.write_bytes(archives.packed(("signet.pkl", harmless())))
    assert len(read_weights(path, "lasagne", member="signet.pkl").tensors) == 2
    path.write_bytes(safetensors.harmless())
    assert list(read_weights(path, "safetensors").tensors) == ["a", "b"]
    path.write_bytes(npz.harmless())
    with SignatureData(path) as data:
        assert data.y.tolist() == [350, 351]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, reads /proc")
def test_all_of_them_together_take_little_memory(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    listed = []
    for index, each in enumerate(every_file()):
        path = tmp_path / f"{index}.bin"
        path.write_bytes(each.make(f"touch {shlex.quote(str(canary))}"))
        listed.append((str(path), each.format, each.member))

    done = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        timeout=300,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:-1] == ["refused"] * len(listed)
    assert not canary.exists()
