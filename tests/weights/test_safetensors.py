"""Our own format: what is saved comes back, with the same bytes each time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from sigzoo.errors import WeightsError
from sigzoo.weights import detect_format, read_weights, save_weights


def _tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "conv.weight": torch.randn(4, 1, 3, 3, generator=generator),
        "bn.num_batches_tracked": torch.tensor(9),
        "fc.weight": torch.randn(3, 5, generator=generator).T,
    }


HEADS = {"writer": {"weight": torch.ones(2, 5), "bias": torch.zeros(2)}}


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    path = save_weights(tmp_path / "w.safetensors", _tensors(), HEADS, {"model": "signet", "licence": "NC"})
    found = read_weights(path, "safetensors")
    assert all(torch.equal(found.tensors[key], value) for key, value in _tensors().items())
    assert list(found.tensors) == sorted(
        _tensors(), key=lambda name: (name != "bn.num_batches_tracked", name)
    )
    assert found.heads["writer"]["weight"].shape == (2, 5)
    assert found.metadata == {"model": "signet", "licence": "NC"}


def test_the_library_reads_it_with_our_prefixes(tmp_path: Path) -> None:
    path = save_weights(tmp_path / "w.safetensors", _tensors(), HEADS, {"model": "signet"})
    names = {f"backbone.{name}" for name in _tensors()} | {"head.writer.weight", "head.writer.bias"}
    assert set(safetensors.torch.load_file(path)) == names
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"model": "signet"}


def test_another_process_writes_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    names = [f"layer{index}.weight" for index in range(20)]
    tensors = {name: torch.arange(6.0) * index for index, name in enumerate(names)}
    path = save_weights(tmp_path / "w.safetensors", tensors, {}, dict.fromkeys(names, "x"))
    script = (
        "import torch; from sigzoo.weights import save_weights;"
        "names = {f'layer{index}.weight': index for index in reversed(range(20))};"
        "tensors = {name: torch.arange(6.0) * index for name, index in names.items()};"
        f"save_weights({str(tmp_path / 'o.safetensors')!r}, tensors, {{}}, dict.fromkeys(names, 'x'))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"PYTHONHASHSEED": "5"})
    assert (tmp_path / "o.safetensors").read_bytes() == path.read_bytes()


def test_stored_halves_are_read_as_float32(tmp_path: Path) -> None:
    stored = {"half": torch.arange(4).half(), "brain": torch.arange(4).bfloat16()}
    found = read_weights(save_weights(tmp_path / "w.safetensors", stored), "safetensors").tensors
    assert all(torch.equal(found[key], torch.arange(4.0)) for key in stored)
    assert (tmp_path / "w.safetensors").stat().st_size < 300


def test_a_file_without_prefixes_is_a_backbones_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file({"fc.weight": torch.ones(2, 2)}, path)
    assert list(read_weights(path, "safetensors").tensors) == ["fc.weight"]


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x8B1F, 0x4B50], ids=hex)
def test_a_header_whose_length_looks_like_another_format_is_no_matter(length: int, tmp_path: Path) -> None:
    empty = save_weights(tmp_path / "w.safetensors", {"a": torch.ones(2)}, {}, {"note": ""})
    needed = length - int.from_bytes(empty.read_bytes()[:8], "little")
    # Headers are padded to 8 bytes; the pattern needs an exact length, so it is written by hand.
    header = empty.read_bytes()[8:-8].rstrip().replace(b'"note":""', b'"note":"' + b"x" * needed + b'"')
    header += b" " * (length - len(header))
    assert len(header) == length
    path = tmp_path / "long.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header + empty.read_bytes()[-8:])
    assert detect_format(path).format == "safetensors"
    assert read_weights(path, "safetensors").tensors["a"].tolist() == [1.0, 1.0]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = save_weights(tmp_path / "w.safetensors", {"a": torch.ones(2)})
    before = path.read_bytes()
    folder = tmp_path / "taken.safetensors"
    folder.mkdir()
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(folder, {"a": torch.zeros(2)})
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(tmp_path / "nowhere" / "w.safetensors", {"a": torch.zeros(2)})
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["taken.safetensors", "w.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_file_has_the_usual_permissions(tmp_path: Path) -> None:
    path = save_weights(tmp_path / "w.safetensors", {"a": torch.ones(2)})
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
