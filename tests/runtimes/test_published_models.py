"""The published models in every runtime and precision: weights of ours in their format, features of torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sigzoo
from sigzoo.errors import UsageError
from sigzoo.synthesis import Writer
from sigzoo.weights import save_weights
from tests.runtimes.test_graph_runtimes import alike

pytestmark = pytest.mark.slow

WAYS = [
    *(("onnx", "onnxruntime", "float32"), ("onnx", "onnxruntime", "int8")),
    *(
        ("openvino", "openvino", "float32"),
        ("openvino", "openvino", "bfloat16"),
        ("openvino", "openvino", "int8"),
    ),
    ("torch", "torch", "bfloat16"),
]
MODELS = {"signet.pytorch": "signet", "signet-spp-300dpi": "signet-spp-300dpi", "synsig-base": None}


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Signatures of four writers."""
    return [Writer(seed).genuine(0) for seed in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path | None]:
    """Weights from a seed, with statistics of the size that trained networks have."""
    folder = tmp_path_factory.mktemp("weights")
    found: dict[str, Path | None] = {}
    for name, backbone in MODELS.items():
        if backbone is None:
            found[name] = None
            continue
        torch.manual_seed(7)
        network = sigzoo.backbone(backbone)
        for each in network.modules():
            if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
                each.running_mean.uniform_(-0.05, 0.05)
                each.running_var.uniform_(0.5, 1.5)
        found[name] = save_weights(folder / f"{backbone}.safetensors", dict(network.state_dict()), {}, {})
    return found


@pytest.mark.parametrize(("runtime", "module", "precision"), WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_features_are_those_of_torch(name, runtime, module, precision, weights, images) -> None:
    pytest.importorskip(module)
    expected = sigzoo.load(name, weights=weights[name], device="cpu").embed(images)
    model, refused = None, ""
    try:
        model = sigzoo.load(name, weights=weights[name], device="cpu", runtime=runtime, precision=precision)
    except UsageError as error:
        refused = str(error)
    if model is None:
        # A processor without it, or a network that bears no such rounding: that is said, not computed.
        assert precision != "float32"
        assert "does not compute in" in refused or "cosine similarity of" in refused
        pytest.skip(refused)
    found = model.embed(images)
    if precision == "float32":
        assert np.abs(found - expected).max() <= 1e-4 * max(1.0, float(np.abs(expected).max()))
    else:
        assert alike(found, expected) >= 0.999
