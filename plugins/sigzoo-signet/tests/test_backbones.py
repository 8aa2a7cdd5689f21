"""SigNet and its variants against a forward pass written from the published layer tables."""

from __future__ import annotations

import copy
import os

import pytest
import torch
from sigzoo_signet.backbones import SigNet, SigNetSmaller, SigNetThin
from torch.nn import functional

import sigzoo
from sigzoo.interfaces import ImageError, UnknownNameError

CONVOLUTIONS = {"conv1": (4, 0), "conv2": (1, 2), "conv3": (1, 1), "conv4": (1, 1), "conv5": (1, 1)}
"""Stride and padding."""

POOLED_AFTER = {"conv1": "pool1", "conv2": "pool2", "conv5": "pool5"}

NETWORKS = {
    SigNet: ("conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc1 fc2", [96, 256, 384, 384, 256, 2048, 2048]),
    SigNetThin: (
        "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc1 fc2",
        [96, 128, 128, 128, 128, 1024, 1024],
    ),
    SigNetSmaller: ("conv1 pool1 conv2 pool2 conv3 conv5 pool5 fc1", [96, 256, 384, 256, 2048]),
}

ALL = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)


def forward_by_hand(state, x, names):
    """Every named layer in float64, from a state dict with sigver's keys."""
    outputs, x = {}, x.double()
    state = {key: value.double() for key, value in state.items() if value.is_floating_point()}

    def normalised(x, prefix):
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean, variance = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
        x = (x - mean.view(shape)) / torch.sqrt(variance + 1e-5).view(shape)
        return (x * state[f"{prefix}.weight"].view(shape) + state[f"{prefix}.bias"].view(shape)).clamp(min=0)

    for name in names:
        if name.startswith("conv"):
            stride, pad = CONVOLUTIONS[name]
            x = functional.conv2d(x, state[f"conv_layers.{name}.conv.weight"], stride=stride, padding=pad)
            x = normalised(x, f"conv_layers.{name}.bn")
        elif name.startswith("pool"):
            x = functional.max_pool2d(x, 3, 2)
        else:
            x = normalised(x.flatten(1) @ state[f"fc_layers.{name}.fc.weight"].T, f"fc_layers.{name}.bn")
        outputs[name] = x
    return outputs


def difference(got, expected):
    """Largest difference, relative to the largest value."""
    return float((got.double() - expected.double()).abs().max() / expected.double().abs().max())


def images(count, seed=0):
    return torch.rand(count, 1, 150, 220, generator=torch.Generator().manual_seed(seed))


@ALL
@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_every_layer_is_that_of_the_published_table(network, scale, randomised):
    names = NETWORKS[network][0].split()
    model = randomised(network(), 1)
    with torch.inference_mode():
        got = model.forward_layers(images(3) * scale, names)
        expected = forward_by_hand(model.state_dict(), images(3) * scale, names)
    assert list(got) == names == list(model.layers)
    for name in names:
        assert got[name].shape == expected[name].shape
        assert difference(got[name], expected[name]) < 1e-5, name


@pytest.mark.parametrize("zipped", [True, False], ids=["zip format", "legacy format"])
def test_a_file_of_three_state_dicts_gives_every_layer(zipped, randomised, tmp_path):
    names = NETWORKS[SigNet][0].split()
    state = randomised(SigNet(), 10).state_dict()
    file = tmp_path / "signet.pth"
    heads = torch.nn.Linear(2048, 5).state_dict(), torch.nn.Linear(2048, 1).state_dict()
    torch.save((state, *heads), file, _use_new_zipfile_serialization=zipped)
    loaded = sigzoo.load("signet.pytorch", weights=file, device="cpu").backbone
    with torch.inference_mode():
        got = loaded.forward_layers(images(2), names)
        expected = forward_by_hand(state, images(2), names)
    for name in names:
        assert difference(got[name], expected[name]) < 1e-5, name


@ALL
def test_the_keys_and_shapes_are_those_of_sigvers_files(network):
    names, widths = NETWORKS[network]
    shapes = {key: tuple(value.shape) for key, value in network().state_dict().items()}
    previous, expected = 1, {}
    kernels = {"conv1": 11, "conv2": 5}
    layers = [name for name in names.split() if not name.startswith("pool")]
    for name, width in zip(layers, widths, strict=True):
        dense = name.startswith("fc")
        size = kernels.get(name, 3)
        weight = (width, previous * 15 if name == "fc1" else previous) + (() if dense else (size, size))
        prefix = f"fc_layers.{name}" if dense else f"conv_layers.{name}"
        expected[f"{prefix}.fc.weight" if dense else f"{prefix}.conv.weight"] = weight
        expected |= {
            f"{prefix}.bn.{key}": (width,) for key in ("weight", "bias", "running_mean", "running_var")
        }
        expected[f"{prefix}.bn.num_batches_tracked"] = ()
        previous = width
    assert shapes == expected
    assert network().feature_dim == widths[-1]


def test_signet_has_the_published_number_of_parameters():
    assert round(sum(value.numel() for value in SigNet().parameters()) / 1e6, 1) == 15.8


@ALL
def test_the_feature_is_the_last_layer_and_a_batch_of_one_is_like_any_other(network, randomised):
    model = randomised(network(), 2)
    with torch.inference_mode():
        batch = model(images(4))
        one = model(images(4)[:1])
        tapped = model.forward_layers(images(4), [model.layers[-1]])[model.layers[-1]]
    assert one.shape == (1, model.feature_dim)
    assert difference(one, batch[:1]) < 1e-5
    assert torch.equal(batch, tapped)


def test_nothing_is_computed_beyond_the_last_layer_asked_for(randomised):
    model = randomised(SigNet(), 3)
    reached = []
    for name, step in [*model.conv_layers.named_children(), *model.fc_layers.named_children()]:
        step.register_forward_hook(lambda *_, name=name: reached.append(name))
    taps = model.forward_layers(images(1), ["conv3", "pool1"])
    assert reached == ["conv1", "pool1", "conv2", "pool2", "conv3"]
    assert sorted(taps) == ["conv3", "pool1"]
    assert model.forward_layers(images(1), []) == {}


def test_an_unknown_layer_brings_the_list(randomised):
    with pytest.raises(UnknownNameError, match=r"fc3.*Layers: conv1, pool1, .*fc1, fc2"):
        SigNet().forward_layers(images(1), ["fc3"])


@pytest.mark.parametrize("shape", [(1, 1, 170, 242), (1, 3, 150, 220), (1, 150, 220), (150, 220)])
def test_an_input_of_another_shape_is_refused_with_the_right_one(shape):
    with pytest.raises(ImageError, match=r"150, 220|\(N, 1, h, w\)"):
        SigNet()(torch.zeros(shape))


@ALL
def test_channels_last_gives_the_same_features(network, randomised):
    model = randomised(network(), 4)
    with torch.inference_mode():
        expected = model(images(2))
        turned = copy.deepcopy(model).to(memory_format=torch.channels_last)
        got = turned(images(2).to(memory_format=torch.channels_last))
    assert difference(got, expected) < 1e-5


@ALL
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_points_in_the_same_direction(network, dtype, randomised):
    model = randomised(network(), 5)
    with torch.inference_mode():
        expected = model(images(2))
        got = copy.deepcopy(model).to(dtype)(images(2).to(dtype))
    assert got.dtype == dtype
    assert torch.cosine_similarity(got.float(), expected).min() > 0.999


@ALL
def test_an_exported_program_gives_the_same_features_for_any_batch(network, randomised):
    model = randomised(network(), 6)
    shape = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (images(2),), dynamic_shapes=shape).module()
    with torch.inference_mode():
        for count in (1, 2, 5):
            assert difference(program(images(count)), model(images(count))) < 1e-5


@ALL
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_a_compiled_network_gives_the_same_features_from_one_graph(network, backend, randomised):
    if backend == "inductor" and "SIGZOO_SLOW_TESTS" not in os.environ:
        pytest.skip("compiling takes a minute or more; set SIGZOO_SLOW_TESTS=1 (needs a C++ compiler)")
    torch.compiler.reset()
    model = randomised(network(), 7)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    with torch.inference_mode():
        assert difference(compiled(images(2)), model(images(2))) < 1e-5


def test_training_reaches_every_parameter(randomised):
    model = randomised(SigNetThin(), 8).train()
    model(images(4)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
