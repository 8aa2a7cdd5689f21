"""Weight formats by the names that cards give them: others' files, names that nobody provides, the page."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import sigzoo
from sigzoo import Zoo
from sigzoo.errors import RegistryError, WeightsError
from sigzoo.testing import check_weight_format
from sigzoo.weights import read_weights

REGISTRY = """\
models:
  mine:
    summary: my own
    distribution: sigzoo-students
    backbone: student-tiny
    preprocessor: synsig
    input_scale: 0.00392156862745098
    weights: {{artifact: mine-weights, format: {format}}}
    features: {{layer: embedding, size: 160}}
    licence: {{code: BSD-3-Clause, weights: mine alone, commercial_use: false}}
    trained_on: signatures of my own
artifacts:
  mine-weights:
    summary: my weights
    urls: ["file:mine.pth"]
    sha256: "{digest}"
    provenance: my own training
"""


def _registry(folder: Path, format: str) -> Path:
    digest = hashlib.sha256((folder / "mine.pth").read_bytes()).hexdigest()
    (folder / "my.yaml").write_text(REGISTRY.format(format=format, digest=digest))
    return folder / "my.yaml"


@pytest.mark.parametrize("format", ["torch", "torch-tuple"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_a_card_names_the_state_dict_that_somebody_publishes(
    format: str, prefix: str, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    network = sigzoo.backbone("student-tiny")
    state = {f"{prefix}{key}": value for key, value in network.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "mine.pth")
    zoo = Zoo(registries=[_registry(tmp_path, format)], home=tmp_path / "home")
    found = zoo.load("mine").backbone.state_dict()
    assert all(torch.equal(value, found[key]) for key, value in network.state_dict().items())


def test_a_format_that_nobody_provides_is_told_with_registry_and_model(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "mine.pth")
    zoo = Zoo(registries=[_registry(tmp_path, "torch-tupel")], home=tmp_path / "home")
    with pytest.raises(
        RegistryError, match=r"my\.yaml: models\.mine: .*'torch-tupel'.*Did you mean torch-tuple"
    ):
        zoo.load("mine")
    with pytest.raises(RegistryError, match="Did you mean torch-tuple"):
        zoo.load("mine", weights=tmp_path / "mine.pth")
    assert zoo.info("mine").weights.format == "torch-tupel"


def test_a_conversion_from_python_says_what_it_made(tmp_path: Path) -> None:
    network = sigzoo.backbone("student-tiny")
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    zoo = Zoo(registries=[_registry(tmp_path, "torch")], home=tmp_path / "home")
    done = sigzoo.convert(tmp_path / "mine.pth", "mine", tmp_path / "mine.safetensors", zoo=zoo)
    assert (done.model, done.format, done.heads) == ("mine", "torch", ())
    found = read_weights(done.output, "safetensors")
    assert found.metadata == done.metadata
    assert found.metadata["source_sha256"] == hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()
    assert all(torch.equal(found.tensors[key], value) for key, value in network.state_dict().items())


def _from_page(root: Path, folder: Path, needle: str) -> ModuleType:
    page = (root / "docs" / "plugins" / "weight-formats.md").read_text()
    block = next(each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if needle in each)
    (folder / "flat.py").write_text(block)
    spec = importlib.util.spec_from_file_location("flat", folder / "flat.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_format_of_the_page_conforms(root: Path, tmp_path: Path) -> None:
    format = _from_page(root, tmp_path, "class FlatFormat").FlatFormat()
    check_weight_format(format)
    values = np.arange(5, dtype="<f4")
    (tmp_path / "w.flat").write_bytes(b"FLAT" + struct.pack("<I", 5) + values.tobytes())
    assert format.recognises(tmp_path / "w.flat")
    np.testing.assert_array_equal(format.read(tmp_path / "w.flat").tensors["flat"], values)
    (tmp_path / "w.flat").write_bytes(b"FLAT" + struct.pack("<I", 2**32 - 1) + values.tobytes())
    with pytest.raises(WeightsError, match="declares 4294967295 numbers and has 20 bytes"):
        format.read(tmp_path / "w.flat")
    names: dict[str, str] = {}
    _from_page(root, tmp_path, "sigzoo_register_weight_formats").sigzoo_register_weight_formats(
        names.__setitem__
    )
    assert names == {"flat": "ourlab_sigzoo.flat:FlatFormat"}
