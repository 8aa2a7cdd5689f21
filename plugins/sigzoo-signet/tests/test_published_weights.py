"""Lasagne's weight lists: what they give in these networks, and whose files are refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch
from sigzoo_signet.backbones import SigNet, SigNetSmaller, SigNetThin
from sigzoo_spp.backbones import SigNetSPP300
from torch.nn import functional

import sigzoo
from sigzoo.interfaces import WeightsError
from sigzoo.weights import load_into, read_weights

SPATIAL = {"conv1": (4, 0), "conv2": (1, 2), "conv3": (1, 1), "conv4": (1, 1), "conv5": (1, 1)}


def lasagne_list(network, seed=0):
    """Random arrays in the order and the shapes that Lasagne stores for a network."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, value in network.state_dict().items():
        if name.endswith(("conv.weight", "fc.weight")):
            shape = tuple(value.shape)
            scale = np.sqrt(2 / np.prod(shape[1:]))
            weights = rng.normal(0, scale, shape if "conv" in name else shape[::-1])
            width = shape[0]
            stored = [weights, *(rng.normal(0, 0.3, width), rng.uniform(0.5, 1.5, width))]
            stored += [rng.normal(0, 0.3, width), 1 / np.sqrt(rng.uniform(0, 3, width) ** 3 + 1e-4)]
            for array in stored:
                tensors[f"params[{len(tensors)}]"] = torch.from_numpy(array.astype(np.float32))
    return tensors


def features_by_hand(tensors, x):
    """Every layer of SigNet as Lasagne's program computes it, in float64."""
    arrays = [tensors[f"params[{index}]"].double() for index in range(35)]
    outputs, x = {}, x.double()
    for position, name in enumerate(["conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2"]):
        weights, beta, gamma, mean, inv_std = arrays[5 * position : 5 * position + 5]
        if name in SPATIAL:
            stride, pad = SPATIAL[name]
            x = functional.conv2d(x, weights, stride=stride, padding=pad)
            shape = (1, -1, 1, 1)
        else:
            x, shape = x.flatten(1) @ weights, (1, -1)
        x = (x - mean.view(shape)) * (gamma * inv_std).view(shape) + beta.view(shape)
        x = outputs[name] = x.clamp(min=0)
        if name in ("conv1", "conv2", "conv5"):
            x = outputs[name.replace("conv", "pool")] = functional.max_pool2d(x, 3, 2)
    return outputs


def adapted(network, tensors):
    network.load_state_dict(network.adapt_weights(tensors, "lasagne"))
    return network.eval()


def test_a_file_of_python_2_gives_lasagnes_features_at_every_layer(python2_pickle, tmp_path):
    tensors = lasagne_list(SigNet())
    file = tmp_path / "signet.pkl"
    file.write_bytes(python2_pickle([array.numpy() for array in tensors.values()]))
    network = sigzoo.load("signet", weights=file, device="cpu").backbone
    x = 255 * torch.rand(2, 1, 150, 220, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        got = network.forward_layers(x, network.layers)
        expected = features_by_hand(tensors, x)
    assert list(got) == list(expected)
    for name in network.layers:
        scale = float(expected[name].abs().max())
        assert scale > 0
        assert float((got[name].double() - expected[name]).abs().max()) < 1e-5 * scale, name


def test_the_published_programs_features_come_out_at_every_layer(lasagne_folder, golden, tmp_path):
    file = tmp_path / "signet.pkl"
    file.write_bytes(gzip.decompress((lasagne_folder / "signet_sparse.pkl.gz").read_bytes()))
    weights = read_weights(file, "lasagne")
    network = adapted(SigNet(), weights.tensors)
    x = torch.from_numpy(np.load(golden / "processed_py3.npy")).float()[None, None]
    with torch.inference_mode():
        got = network.forward_layers(x, network.layers)
    with np.load(lasagne_folder / "features.npz") as features:
        for name in network.layers:
            assert tuple(features[f"signet/{name}/shape"]) == got[name].shape
            values = got[name].numpy().ravel()[features[f"signet/{name}/index"]]
            expected = features[f"signet/{name}/value"]
            assert np.abs(values - expected).max() < 1e-5 * np.abs(expected).max(), name


def test_the_published_programs_last_layer_follows_from_its_last_but_one(lasagne_folder, tmp_path):
    file = tmp_path / "signet.pkl"
    file.write_bytes(gzip.decompress((lasagne_folder / "signet_sparse.pkl.gz").read_bytes()))
    network = adapted(SigNet(), read_weights(file, "lasagne").tensors)
    with np.load(lasagne_folder / "features.npz") as features:
        fc1, fc2 = (np.zeros(2048, np.float32) for _ in range(2))
        for name, layer in (("fc1", fc1), ("fc2", fc2)):
            layer[features[f"signet/{name}/index"]] = features[f"signet/{name}/value"]
    assert np.count_nonzero(fc1) > 900
    with torch.inference_mode():
        got = network.fc_layers.fc2(torch.from_numpy(fc1)[None])[0].numpy()
    assert np.abs(got - fc2).max() < 1e-5 * np.abs(fc2).max()


@pytest.mark.parametrize("network", [SigNet, SigNetThin, SigNetSmaller])
def test_a_sigver_state_dict_loads_as_it_is_and_lacking_counters_are_filled_in(network):
    state = network().state_dict()
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    for tensors in (state, old):
        translated = network().adapt_weights(tensors, "torch-tuple")
        assert translated.keys() == state.keys()
        assert all(translated[key] is tensors[key] for key in tensors)
        network().load_state_dict(translated)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_three_state_dicts_gives_its_features(zipped, randomised, tmp_path):
    saved = randomised(SigNetThin(), 9)
    file = tmp_path / "signet_thin.pth"
    heads = torch.nn.Linear(1024, 5).state_dict(), torch.nn.Linear(1024, 1).state_dict()
    torch.save((saved.state_dict(), *heads), file, _use_new_zipfile_serialization=zipped)
    loaded = SigNetThin().eval()
    load_into(
        loaded,
        loaded.adapt_weights(read_weights(file, "torch-tuple").tensors, "torch-tuple"),
        source=str(file),
    )
    x = torch.rand(2, 1, 150, 220, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(loaded(x), saved(x))


def test_an_spp_file_under_signet_is_refused_by_the_name_of_the_tensor():
    with pytest.raises(WeightsError, match=r"params\[0\] \(conv1.W\).*\(96, 1, 11, 11\).*\(32, 1, 11, 11\)"):
        SigNet().adapt_weights(lasagne_list(SigNetSPP300()), "lasagne")


def test_a_thin_file_under_signet_is_refused_by_the_name_of_the_tensor():
    with pytest.raises(WeightsError, match=r"params\[5\] \(conv2.W\).*\(256, 96, 5, 5\).*\(128, 96, 5, 5\)"):
        SigNet().adapt_weights(lasagne_list(SigNetThin()), "lasagne")


def test_a_thin_state_dict_under_signet_is_refused_by_the_name_of_the_tensor():
    with pytest.raises(WeightsError, match=r"conv_layers.conv2.conv.weight"):
        load_into(SigNet(), SigNetThin().state_dict(), source="thin.pth")


def test_a_list_that_ends_early_names_the_first_array_that_lacks():
    tensors = lasagne_list(SigNet())
    del tensors["params[34]"]
    with pytest.raises(WeightsError, match=r"params\[34\] \(fc2.inv_std\).*\(2048,\)"):
        SigNet().adapt_weights(tensors, "lasagne")
    with pytest.raises(WeightsError, match=r"params\[0\] \(conv1.W\)"):
        SigNet().adapt_weights({}, "lasagne")


def test_a_list_with_more_arrays_is_refused():
    tensors = lasagne_list(SigNet()) | {"params[35]": torch.zeros(3)}
    with pytest.raises(WeightsError, match=r"params\[35\].*35 arrays.*36"):
        SigNet().adapt_weights(tensors, "lasagne")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e-30])
def test_what_is_no_inverse_standard_deviation_is_refused(value):
    tensors = lasagne_list(SigNetSmaller())
    tensors["params[4]"][3] = value
    with pytest.raises(WeightsError, match=r"params\[4\] \(conv1.inv_std\)"):
        SigNetSmaller().adapt_weights(tensors, "lasagne")


def test_whole_numbers_are_refused():
    tensors = lasagne_list(SigNetSmaller())
    tensors["params[1]"] = tensors["params[1]"].long()
    with pytest.raises(WeightsError, match=r"params\[1\] \(conv1.beta\).*int64"):
        SigNetSmaller().adapt_weights(tensors, "lasagne")
