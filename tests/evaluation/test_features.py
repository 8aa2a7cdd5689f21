"""Features of data sets: those of `embed`, in one pass, and never computed twice."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sigzoo
from sigzoo.datasets import open_data, without_simple_forgeries
from sigzoo.errors import UnknownNameError
from sigzoo.evaluation.feature_cache import FeatureCache
from sigzoo.evaluation.features import (
    baseline_features,
    default_layers,
    feature_layers,
    layer_features,
)

LAYERS = ["embedding", "with_ink"]


@pytest.fixture(scope="module")
def model():
    return sigzoo.load("synsig-tiny")


@pytest.fixture
def opened(signatures):
    return open_data(str(signatures))[0]


@pytest.fixture
def indices(opened):
    return without_simple_forgeries(opened)


class Counted:
    """Counts the images that go through a model's network."""

    def __init__(self, model, monkeypatch):
        self.images, self.layers = 0, []
        plain = model.run_layers

        def run(images, layers):
            self.images += len(images)
            self.layers.append(tuple(layers))
            return plain(images, layers)

        monkeypatch.setattr(model, "run_layers", run)


def test_features_are_those_of_embed(model, opened, indices):
    found = layer_features(model, opened, indices, LAYERS, cache=None)
    files = [opened.file_of(int(index)) for index in indices]
    for layer in LAYERS:
        np.testing.assert_allclose(found[layer], model.embed(files, layer=layer), atol=1e-6)


def test_layers_that_are_vectors_are_found_and_those_without_scanner_cues_stand_first(model):
    assert feature_layers(model) == ["embedding", "with_local", "with_directions", "with_ink"]
    assert default_layers(model) == ["embedding", "with_local", "with_directions", "with_ink"]
    assert model.backbone.scanner_layers == ("with_ink",)


def test_the_network_runs_once_for_all_layers_and_never_again(model, opened, indices, tmp_path, monkeypatch):
    cache, runs = FeatureCache(tmp_path), Counted(model, monkeypatch)
    first = layer_features(model, opened, indices, LAYERS, cache=cache)
    assert runs.images == len(indices)
    assert set(runs.layers) == {tuple(LAYERS)}
    again = layer_features(model, opened, indices[::-1], LAYERS[:1], cache=cache)
    assert runs.images == len(indices)
    np.testing.assert_array_equal(again["embedding"], first["embedding"][::-1])
    layer_features(model, opened, indices, ["with_directions"], cache=cache)
    assert runs.layers[-1] == ("with_directions",)


def test_an_image_that_has_changed_and_other_options_are_computed_anew(model, tmp_path, monkeypatch):
    from drawn_signatures import draw_folder

    folder, cache = draw_folder(tmp_path / "set", 2, 3, 0), FeatureCache(tmp_path / "cache")
    opened = open_data(str(folder))[0]
    everything = np.arange(len(opened))
    runs = Counted(model, monkeypatch)
    layer_features(model, opened, everything, ["embedding"], cache=cache)
    (folder / "w001_g01.png").write_bytes((folder / "w002_g01.png").read_bytes())
    layer_features(model, opened, everything, ["embedding"], cache=cache)
    assert runs.images == 6  # the same file under another name is known
    other = draw_folder(tmp_path / "other", 3, 1, 0)
    (folder / "w001_g02.png").write_bytes((other / "w003_g01.png").read_bytes())
    layer_features(model, opened, everything, ["embedding"], cache=cache)
    assert runs.images == 7
    monkeypatch.setitem(model.card.preprocessor.options, "any", "other")
    layer_features(model, opened, everything, ["embedding"], cache=cache)
    assert runs.images > 7


def test_damaged_files_count_for_nothing(model, opened, indices, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path)
    wanted = layer_features(model, opened, indices, ["embedding"], cache=cache)["embedding"]
    files = list(tmp_path.rglob("*.npz"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-200])
    runs = Counted(model, monkeypatch)
    again = layer_features(model, opened, indices, ["embedding"], cache=cache)["embedding"]
    assert runs.images == len(indices)
    np.testing.assert_array_equal(again, wanted)


def test_several_at_a_time_write_the_same(model, opened, indices, tmp_path):
    cache = FeatureCache(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: layer_features(model, opened, indices, LAYERS, cache=cache), range(4))
        )
    for each in found[1:]:
        np.testing.assert_array_equal(each["with_ink"], found[0]["with_ink"])
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(model, opened, indices, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    found = layer_features(model, opened, indices[:4], ["embedding"], cache=FeatureCache(blocked))
    assert found["embedding"].shape == (4, 160)


def test_an_unknown_layer_is_told(model, opened, indices):
    with pytest.raises(UnknownNameError, match="layer"):
        layer_features(model, opened, indices, ["fc9"], cache=None)


def test_baselines_are_counted_by_hand(opened, indices, tmp_path):
    cache = FeatureCache(tmp_path)
    for _ in range(2):
        found = baseline_features(opened, indices, cache=cache)
        for row, index in enumerate(indices[:5]):
            image = opened.read(int(index))
            assert found["height"][row, 0] == pytest.approx(np.log(len(image)), rel=1e-6)
            assert found["grey levels"][row, 0] == len(set(image.ravel().tolist()))
            paper = sorted(image.ravel().tolist())[int(0.9 * image.size)]
            assert found["paper grey"][row, 0] == pytest.approx(paper / 255, abs=0.01)
        assert found["ink"].shape == (len(indices), 4)
