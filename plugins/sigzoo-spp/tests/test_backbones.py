"""Both SPP networks against a forward pass written from the published layer tables, at many sizes."""

from __future__ import annotations

import copy
import gzip
import math
import os

import numpy as np
import pytest
import torch
from sigzoo_signet.backbones import SigNet
from sigzoo_spp.backbones import SigNetSPP300, SigNetSPP600, SpatialPyramid
from torch.fx.experimental import _config as export_config
from torch.nn import functional

import sigzoo
from sigzoo.interfaces import ImageError, UnknownNameError, WeightsError
from sigzoo.weights import read_weights

STRIDES = {
    SigNetSPP300: {"conv1": 3, "pool1": 2, "pool2": 3},
    SigNetSPP600: {"conv1": 4, "pool1": 3, "pool2": 2},
}
PADDING = {"conv1": 5, "conv2": 2, "conv3": 1, "conv4": 1, "conv5": 1}
STEPS = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "pool4", "conv5", "pool5", "fc1", "fc2"]
NAMES = [step if step.startswith("fc") else f"large_{step}" for step in STEPS]
LAYERS = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2"]
PUBLISHED = {SigNetSPP300: "signet_spp_300dpi", SigNetSPP600: "signet_spp_600dpi"}

BOTH = pytest.mark.parametrize("network", STRIDES, ids=lambda network: network.__name__)
SIZES = [
    (57, 57),
    (58, 93),
    (64, 200),
    (101, 103),
    (150, 220),
    (180, 75),
    (211, 333),
    (240, 241),
    (300, 120),
    (373, 300),
]


def pyramid_by_hand(x):
    """Maxima of the 16, 4 and 1 regions, row by row, (N, C, 21)."""
    height, width = x.shape[2:]
    maxima = []
    for bins in (4, 2, 1):
        for row in range(bins):
            for column in range(bins):
                rows = slice(math.floor(row * height / bins), math.ceil((row + 1) * height / bins))
                columns = slice(math.floor(column * width / bins), math.ceil((column + 1) * width / bins))
                maxima.append(x[:, :, rows, columns].amax(dim=(2, 3)))
    return torch.stack(maxima, dim=2)


def forward_by_hand(layer_arrays, x, strides):
    """Every published layer in float64; `layer_arrays` has W (out first), beta, gamma, mean, inv_std."""
    outputs, x = {}, x.double()
    for step, name in zip(STEPS, NAMES, strict=True):
        if step == "pool5":
            x = pyramid_by_hand(x)
        elif step == "pool4":
            x = functional.max_pool2d(x, 2, 2)
        elif step.startswith("pool"):
            x = functional.max_pool2d(x, 3, strides[step])
        else:
            weights, beta, gamma, mean, inv_std = layer_arrays[step]
            if step.startswith("conv"):
                x = functional.conv2d(x, weights, stride=strides.get(step, 1), padding=PADDING[step])
            else:
                x = x.flatten(1) @ weights.T
            shape = (1, -1) + (1,) * (x.ndim - 2)
            x = (x - mean.view(shape)) * (gamma * inv_std).view(shape) + beta.view(shape)
            x = x.clamp(min=0)
        outputs[name] = x
    return outputs


def arrays_of(state):
    arrays = {}
    for layer in LAYERS:
        prefix = f"fc_layers.{layer}" if layer.startswith("fc") else f"conv_layers.{layer}"
        weights = state[f"{prefix}.fc.weight" if layer.startswith("fc") else f"{prefix}.conv.weight"].double()
        beta, gamma, mean, variance = (
            state[f"{prefix}.bn.{key}"].double() for key in ("bias", "weight", "running_mean", "running_var")
        )
        arrays[layer] = weights, beta, gamma, mean, 1 / torch.sqrt(variance + 1e-5)
    return arrays


def lasagne_list(network, seed=0):
    """Random arrays in the order and the shapes that Lasagne stores."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for weights, *_ in arrays_of(network.state_dict()).values():
        shape, width = tuple(weights.shape), weights.shape[0]
        stored = [rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape if len(shape) == 4 else shape[::-1])]
        stored += [rng.normal(0, 0.3, width), rng.uniform(0.5, 1.5, width), rng.normal(0, 0.3, width)]
        stored += [1 / np.sqrt(rng.uniform(0, 3, width) ** 3 + 1e-4)]
        for array in stored:
            tensors[f"params[{len(tensors)}]"] = torch.from_numpy(array.astype(np.float32))
    return tensors


def from_list(tensors):
    arrays = {}
    for position, layer in enumerate(LAYERS):
        weights, *rest = (tensors[f"params[{5 * position + offset}]"].double() for offset in range(5))
        arrays[layer] = (weights.T if layer.startswith("fc") else weights, *rest)
    return arrays


def difference(got, expected):
    return float((got.double() - expected.double()).abs().max() / expected.double().abs().max())


def images(count, size, seed=0):
    return 255 * torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(seed))


@BOTH
@pytest.mark.parametrize("size", SIZES)
def test_every_layer_is_that_of_the_published_table_at_any_size(network, size, randomised):
    model = randomised(network(), 1)
    with torch.inference_mode():
        got = model.forward_layers(images(2, size), NAMES)
        expected = forward_by_hand(arrays_of(model.state_dict()), images(2, size), STRIDES[network])
    assert list(got) == NAMES == list(model.layers)
    for name in NAMES:
        assert got[name].shape == expected[name].shape
        assert difference(got[name], expected[name]) < 1e-5, name


@pytest.fixture(scope="module", params=PUBLISHED, ids=lambda network: network.__name__)
def from_a_file(request, python2_pickle, tmp_path_factory):
    """A network, random arrays, and the model loaded by name from a file that holds them as published."""
    network = request.param
    tensors = lasagne_list(network())
    file = tmp_path_factory.mktemp("published") / f"{PUBLISHED[network]}.pkl"
    file.write_bytes(python2_pickle([array.numpy() for array in tensors.values()]))
    name = PUBLISHED[network].replace("_", "-")
    return network, tensors, sigzoo.load(name, weights=file, device="cpu").backbone


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_python_2_gives_lasagnes_features_at_every_layer_and_any_size(from_a_file, size):
    network, tensors, model = from_a_file
    assert type(model) is network
    with torch.inference_mode():
        got = model.forward_layers(images(2, size), NAMES)
        expected = forward_by_hand(from_list(tensors), images(2, size), STRIDES[network])
    for name in NAMES:
        assert difference(got[name], expected[name]) < 1e-5, name


@BOTH
def test_the_published_programs_last_layer_follows_from_its_last_but_one(network, lasagne_folder, tmp_path):
    file = tmp_path / "spp.pkl"
    file.write_bytes(gzip.decompress((lasagne_folder / "signet_spp_sparse.pkl.gz").read_bytes()))
    model = network().eval()
    model.load_state_dict(model.adapt_weights(read_weights(file, "lasagne").tensors, "lasagne"))
    with np.load(lasagne_folder / "features.npz") as features:
        fc1, fc2 = (np.zeros(2048, np.float32) for _ in range(2))
        for name, layer in (("fc1", fc1), ("fc2", fc2)):
            key = f"{PUBLISHED[network]}/{name}"
            layer[features[f"{key}/index"]] = features[f"{key}/value"]
    assert np.count_nonzero(fc1) > 900
    with torch.inference_mode():
        got = model.fc_layers.fc2(torch.from_numpy(fc1)[None])[0].numpy()
    assert np.abs(got - fc2).max() < 1e-5 * np.abs(fc2).max()


@BOTH
def test_the_published_programs_features_come_out_at_every_layer(network, lasagne_folder, golden, tmp_path):
    file = tmp_path / "spp.pkl"
    file.write_bytes(gzip.decompress((lasagne_folder / "signet_spp_sparse.pkl.gz").read_bytes()))
    model = network().eval()
    model.load_state_dict(model.adapt_weights(read_weights(file, "lasagne").tensors, "lasagne"))
    x = torch.from_numpy(np.load(golden / "processed_spp_py3.npy")).float()[None, None]
    with torch.inference_mode():
        got = model.forward_layers(x, NAMES)
    with np.load(lasagne_folder / "features.npz") as features:
        for name in NAMES:
            key = f"{PUBLISHED[network]}/{name}"
            assert tuple(features[f"{key}/shape"]) == got[name].shape
            values, expected = got[name].numpy().ravel()[features[f"{key}/index"]], features[f"{key}/value"]
            assert np.abs(values - expected).max() < 1e-5 * np.abs(expected).max(), name


@BOTH
def test_the_smallest_size_works_and_one_pixel_less_is_refused_with_it(network, randomised):
    model = randomised(network(), 2)
    side = {SigNetSPP300: 37, SigNetSPP600: 57}[network]
    assert model.minimum_size == (side, side)
    assert model.input_size is None
    with torch.inference_mode():
        assert torch.isfinite(model(images(1, (side, side)))).all()
        for size in [(side - 1, side), (side, side - 1), (1, 1)]:
            with pytest.raises(ImageError, match=rf"at least \({side}, {side}\)"):
                model(images(1, size))
        # The limit is the network's own: without the check, a pool finds nothing to pool.
        model.minimum_size = (1, 1)
        for size in [(side - 1, side), (side, side - 1)]:
            with pytest.raises(RuntimeError, match="too small"):
                model(images(1, size))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (5, 9), (13, 2), (30, 41)])
def test_the_pyramid_is_that_of_the_publication_at_any_size(size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(SpatialPyramid()(x), pyramid_by_hand(x))


def test_both_networks_share_all_shapes_and_differ_in_what_they_compute(randomised):
    first, second = randomised(SigNetSPP300(), 3), randomised(SigNetSPP600(), 3)
    shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in (first, second)]
    assert shapes[0] == shapes[1]
    with torch.inference_mode():
        assert not torch.allclose(first(images(1, (150, 220))), second(images(1, (150, 220))))


@BOTH
def test_a_batch_of_one_is_like_any_other(network, randomised):
    model = randomised(network(), 4)
    with torch.inference_mode():
        batch, one = model(images(3, (90, 140))), model(images(3, (90, 140))[:1])
    assert one.shape == (1, 2048)
    assert difference(one, batch[:1]) < 1e-5


def test_nothing_is_computed_beyond_the_last_layer_asked_for(randomised):
    model = randomised(SigNetSPP300(), 5)
    model.fc_layers.fc1.register_forward_hook(lambda *_: pytest.fail("fc1 was computed"))
    assert list(model.forward_layers(images(1, (60, 60)), ["large_pool5"])) == ["large_pool5"]
    with pytest.raises(UnknownNameError, match="large_conv1"):
        model.forward_layers(images(1, (60, 60)), ["conv1"])


@BOTH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_points_in_the_same_direction(network, dtype, randomised):
    model = randomised(network(), 6)
    x = images(2, (150, 220)) / 255
    with torch.inference_mode():
        got = copy.deepcopy(model).to(dtype)(x.to(dtype))
        assert got.dtype == dtype
        assert torch.cosine_similarity(got.float(), model(x)).min() > 0.999


@BOTH
def test_channels_last_gives_the_same_features(network, randomised):
    model = randomised(network(), 7)
    x = images(2, (150, 220))
    with torch.inference_mode():
        turned = copy.deepcopy(model).to(memory_format=torch.channels_last)
        assert difference(turned(x.to(memory_format=torch.channels_last)), model(x)) < 1e-5


@BOTH
def test_a_program_exported_for_one_size_gives_the_same_features_for_any_batch(network, randomised):
    model = randomised(network(), 8)
    batch = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (images(3, (90, 140)),), dynamic_shapes=batch).module()
    with torch.inference_mode():
        for count in (1, 2, 5):
            x = images(count, (90, 140))
            assert difference(program(x), model(x)) < 1e-5


def program_for_any_size(model):
    """Export as the README says."""
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    return torch.export.export(model, (images(2, (150, 220)),), dynamic_shapes={"x": free}).module()


@BOTH
def test_one_exported_program_takes_any_batch_and_any_size_from_the_documented_one_on(network, randomised):
    model = randomised(network(), 9)
    side = {SigNetSPP300: 73, SigNetSPP600: 105}[network]
    program = program_for_any_size(model)
    sizes = [(side, side), (side, 300), (300, side), (side + 1, side + 7), (150, 220), (101 + side, 333)]
    with torch.inference_mode():
        for count, size in enumerate(sizes, 1):
            x = images(count, size)
            assert difference(program(x), model(x)) < 1e-5, size


@BOTH
@pytest.mark.skipif(not hasattr(export_config, "backed_size_oblivious"), reason="torch is too old")
def test_exported_with_the_documented_setting_a_program_takes_every_size_from_the_minimum_on(
    network, randomised
):
    model = randomised(network(), 9)
    side = model.minimum_size[0]
    with export_config.patch(backed_size_oblivious=True):
        program = program_for_any_size(model)
    sizes = [(side, side), (side, 300), (300, side), (side + 1, side), (2 * side - 2, 2 * side - 2)]
    with torch.inference_mode():
        for count, size in enumerate([*sizes, (2 * side, side), (150, 220), (211, 333)], 1):
            x = images(count, size)
            assert difference(program(x), model(x)) < 1e-5, size
        for size in [(side - 1, side), (side, side - 1)]:
            with pytest.raises((AssertionError, RuntimeError), match=str(side)):
                program(images(2, size))


@BOTH
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_a_compiled_network_gives_the_same_features_from_one_graph(network, backend, randomised):
    if backend == "inductor" and "SIGZOO_SLOW_TESTS" not in os.environ:
        pytest.skip("compiling takes a minute or more; set SIGZOO_SLOW_TESTS=1 (needs a C++ compiler)")
    torch.compiler.reset()
    model = randomised(network(), 10)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    with torch.inference_mode():
        for size in [(90, 140), (150, 220)]:
            assert difference(compiled(images(2, size)), model(images(2, size))) < 1e-5


def test_a_signet_file_under_spp_is_refused_by_the_name_of_the_tensor():
    signet = {"params[0]": SigNet().conv_layers.conv1.conv.weight.detach()}
    with pytest.raises(
        WeightsError, match=r"params\[0\] \(large_conv1.W\).*\(32, 1, 11, 11\).*\(96, 1, 11, 11\)"
    ):
        SigNetSPP300().adapt_weights(signet, "lasagne")
