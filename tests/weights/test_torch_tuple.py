"""The PyTorch programs' tuples of three state dicts, in both of torch's formats."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sigzoo.errors import WeightsError
from sigzoo.weights import load_into, read_weights

BOTH = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def _network() -> nn.Module:
    torch.manual_seed(1)
    block = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 4, 3, bias=False), bn=nn.BatchNorm2d(4)))
    return nn.Sequential(OrderedDict(conv1=block, fc1=nn.Linear(4, 6, bias=False)))


def _save(path: Path, value: Any, zipped: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def _same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return list(found) == list(expected) and all(torch.equal(found[key], expected[key]) for key in expected)


@BOTH
def test_features_and_both_heads_are_read(zipped: bool, tmp_path: Path) -> None:
    network, writer, forgery = _network(), nn.Linear(6, 5), nn.Linear(6, 1)
    path = _save(
        tmp_path / "w.pth", (network.state_dict(), writer.state_dict(), forgery.state_dict()), zipped
    )
    found = read_weights(path, "torch-tuple")
    assert _same(found.tensors, network.state_dict())
    assert _same(found.heads["writer"], writer.state_dict())
    assert _same(found.heads["forgery"], forgery.state_dict())
    other = _network()
    load_into(other, found.tensors, source="w.pth")


@BOTH
@pytest.mark.parametrize("absent", [None, {}, OrderedDict()], ids=["None", "dict", "OrderedDict"])
def test_heads_may_be_absent(zipped: bool, absent: object, tmp_path: Path) -> None:
    path = _save(tmp_path / "w.pth", (_network().state_dict(), absent, absent), zipped)
    assert read_weights(path, "torch-tuple").heads == {}


@BOTH
def test_half_and_double_precision_become_float32_and_counters_stay(zipped: bool, tmp_path: Path) -> None:
    state = {
        "half": torch.arange(6).half(),
        "brain": torch.arange(6).bfloat16(),
        "double": torch.arange(6).double(),
        "counter": torch.tensor(7),
    }
    found = read_weights(_save(tmp_path / "w.pth", (state, None, None), zipped), "torch-tuple").tensors
    assert [str(found[key].dtype) for key in state] == ["torch.float32"] * 3 + ["torch.int64"]
    assert all(torch.equal(found[key], torch.arange(6.0)) for key in ("half", "brain", "double"))
    assert found["counter"].item() == 7


@BOTH
def test_views_are_read_as_they_were(zipped: bool, tmp_path: Path) -> None:
    whole = torch.arange(24.0)
    state = {"turned": whole.reshape(4, 6).T, "part": torch.arange(10.0)[3:7], "scalar": torch.tensor(2.5)}
    found = read_weights(_save(tmp_path / "w.pth", (state, None, None), zipped), "torch-tuple").tensors
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert all(tensor.is_contiguous() for tensor in found.values())


def test_many_tensors_need_no_more_instructions_than_are_allowed(tmp_path: Path) -> None:
    state = OrderedDict((f"layer{index}.weight", torch.full((2,), float(index))) for index in range(2_000))
    found = read_weights(_save(tmp_path / "w.pth", (state, None, None), True), "torch-tuple").tensors
    assert found["layer1999.weight"].tolist() == [1999.0, 1999.0]


@BOTH
def test_other_layouts_are_refused_by_what_was_found(zipped: bool, tmp_path: Path) -> None:
    state = {"w": torch.zeros(3)}
    cases = {
        "found a tensor of shape": torch.zeros(3),
        "found a tuple of 2": (state, state),
        "found a list of 2": [state, state],
        "in place of the features found a nonetype": (None, None, None),
    }
    for said, value in cases.items():
        path = _save(tmp_path / "w.pth", value, zipped)
        with pytest.raises(WeightsError, match=f"(?i){said}"):
            read_weights(path, "torch-tuple")


@BOTH
def test_a_whole_pickled_module_is_refused_by_the_class_it_asks_for(zipped: bool, tmp_path: Path) -> None:
    path = _save(tmp_path / "w.pth", _network(), zipped)
    with pytest.raises(WeightsError, match=r"asks for 'torch\.nn\.modules"):
        read_weights(path, "torch-tuple")
