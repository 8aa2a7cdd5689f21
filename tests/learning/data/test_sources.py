"""Where training data come from, and what is said of data that do not fit."""

import numpy as np
import pytest
from PIL import Image

from sigzoo.datasets.synthetic import parse_synthetic
from sigzoo.errors import DataError, ImageError, UnknownNameError, UsageError
from sigzoo.learning.data.in_memory import Item, collect
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.sources import read_training_data
from sigzoo.synthesis import DatasetSpec, generate, varied
from sigzoo.zoo import default_zoo

AS_IT_IS = Preparation(None)


@pytest.fixture
def folder(tmp_path, draw):
    """Write drawn signatures under some names."""

    def made(*names):
        for number, name in enumerate(names):
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(number)).save(path)
        return tmp_path / "images"

    return made


def test_an_npz_of_preprocessed_images_is_taken_as_it_is(npz, patterns):
    x, y, yforg = patterns(forgeries=2)
    data = read_training_data(str(npz(forgeries=2)), AS_IT_IS)
    assert np.array_equal(np.stack([data.image(i) for i in range(len(data))]), x[:, 0])
    assert np.array_equal(data.forged, yforg)
    assert np.array_equal(data.writers, (y - 7) // 10)
    assert data.writer_count == 4


def test_an_npz_of_raw_images_is_preprocessed(tmp_path, draw):
    raw = np.stack([draw(number) for number in range(4)])[:, None]
    np.savez(tmp_path / "raw.npz", x=raw, y=[5, 5, 3, 3])
    data = read_training_data(str(tmp_path / "raw.npz"), Preparation("toy-cut", {"size": [40, 60]}))
    cut = default_zoo().preprocessor("toy-cut", size=(40, 60))
    assert [np.array_equal(data.image(i), cut(raw[i, 0])) for i in range(4)] == [True] * 4
    assert data.writers.tolist() == [1, 1, 0, 0]
    assert data.forged.tolist() == [0] * 4


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_an_npz_of_floating_point_becomes_grey_levels(tmp_path, top):
    x = np.linspace(0, top, 256, dtype=np.float32).reshape(1, 1, 16, 16).repeat(4, axis=0)
    np.savez(tmp_path / "f.npz", x=x, y=[0, 0, 1, 1])
    data = read_training_data(str(tmp_path / "f.npz"), AS_IT_IS)
    assert np.array_equal(data.image(3).ravel(), np.arange(256))


def test_a_simple_forgery_is_a_forgery(tmp_path):
    x = np.full((4, 1, 8, 8), 9, np.uint8)
    np.savez(tmp_path / "f.npz", x=x, y=[0, 0, 1, 1], yforg=[0, 2, 0, 1])
    assert read_training_data(str(tmp_path / "f.npz"), AS_IT_IS).forged.tolist() == [0, 1, 0, 1]


def test_a_folder_of_named_images(folder):
    place = folder("w002_g01.png", "w002_f01.png", "w010_g01.png", "w010_g02.png")
    data = read_training_data(str(place), Preparation("toy-cut"))
    assert data.writers.tolist() == [0, 0, 1, 1]
    assert data.forged.tolist() == [1, 0, 0, 0]


def test_a_folder_for_each_writer(folder):
    place = folder("anna/1.png", "anna/genuine/2.png", "anna/forgeries/1.png", "ben/a.png")
    data = read_training_data(str(place), Preparation("toy-cut"))
    assert sorted(zip(data.writers.tolist(), data.forged.tolist(), strict=True)) == [
        (0, 0),
        (0, 0),
        (0, 1),
        (1, 0),
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["one.png", "two.png"], "does not say whose"),
        (["w001_g01.png", "anna/1.png"], "beside folders"),
        (["anna/old/1.png", "ben/1.png"], "not old"),
        (["w001_g01.png", "w001_g02.png"], "at least 2"),
        (["w001_g01.png", "w002_g01.png", "w003_f01.png"], "only forgeries.*w003"),
    ],
)
def test_a_folder_that_does_not_say_whose_signatures_it_holds(folder, names, said):
    with pytest.raises(DataError, match=said):
        read_training_data(str(folder(*names)), Preparation("toy-cut"))


def test_an_image_without_ink_is_named(folder):
    place = folder("w001_g01.png", "w002_g01.png")
    Image.fromarray(np.full((40, 40), 255, np.uint8)).save(place / "w002_g02.png")
    with pytest.raises(ImageError, match=r"w002_g02\.png.*no ink"):
        read_training_data(str(place), Preparation("toy-cut"))


def test_synthetic_data_are_those_of_the_generator_whatever_the_processes():
    source = "synth:writers=2,genuine=3,forgeries=1,seed=5"
    preparation = Preparation("synsig", {"canvas": [32, 64]})
    data = read_training_data(source, preparation)
    shared = read_training_data(source, preparation, workers=2)
    prepare = default_zoo().preprocessor("synsig", canvas=(32, 64))
    expected = list(generate(DatasetSpec(2, 3, 1, seed=5, rendering=varied)))
    assert np.array_equal(
        np.stack([data.image(i) for i in range(8)]), np.stack([prepare(each.image) for each in expected])
    )
    assert data.forged.tolist() == [int(each.kind == "forgery") for each in expected]
    assert data.writers.tolist() == [each.writer - 1 for each in expected]
    assert shared.digest() == data.digest()


def test_a_synthetic_source_has_defaults_and_describes_itself():
    source = parse_synthetic("synth:")
    assert (source.writers, source.genuine, source.forgeries, source.seed) == (500, 16, 0, 0)
    assert "no person's signature" in source.describe()


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("synth:writer=3", UnknownNameError, "Did you mean writers"),
        ("synth:writers=1", UsageError, "at least 2"),
        ("synth:writers=ten", UsageError, "whole number"),
        ("synth:genuine=-4", UsageError, "whole number"),
        ("synth:rendering=office2", UnknownNameError, "Did you mean office"),
    ],
)
def test_a_synthetic_source_with_a_slip(source, error, said):
    with pytest.raises(error, match=said):
        parse_synthetic(source)


@pytest.mark.parametrize("name", ["nothing.npz", "nothing", "text.txt"])
def test_a_source_that_is_none(tmp_path, name):
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(DataError, match=name):
        read_training_data(str(tmp_path / name), AS_IT_IS)


def test_the_training_image_must_have_the_models_image_in_its_centre(npz):
    source = str(npz(size=(20, 30)))
    large = {"size": [16, 24]}
    read_training_data(source, Preparation("toy-cut", large, {"size": [12, 16]}))
    with pytest.raises(UsageError, match="centre is not"):
        read_training_data(source, Preparation("toy-cut", {**large, "offset": 1}, {"size": [12, 16]}))
    with pytest.raises(UsageError, match="centre is not"):
        read_training_data(source, Preparation("toy-cut", {"size": [10, 10]}, {"size": [12, 16]}))


def test_images_of_different_size_share_a_batch_in_its_middle():
    items = [Item(np.full((2, 6), 5, np.uint8), 0, False), Item(np.full((4, 4), 7, np.uint8), 1, False)]
    data = collect(items, "here")
    batch = data.batch(np.array([1, 0]), (3, 8))
    assert batch.shape == (2, 1, 4, 8)
    assert (batch[0, 0, :, 2:6] == 7).all()
    assert batch[0].sum() == 7 * 16
    assert (batch[1, 0, 1:3, 1:7] == 5).all()
    assert batch[1].sum() == 5 * 12
