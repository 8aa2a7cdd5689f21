"""Data sources: which one a place belongs to, what names say, and what they contradict."""

import numpy as np
import pytest
from PIL import Image

from sigzoo.datasets.npz_source import NpzSource
from sigzoo.datasets.synthetic import SyntheticSource
from sigzoo.interfaces import SignatureSet
from sigzoo.learning.data.joining import join, with_common_labels
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.sources import read_all, read_training_data
from sigzoo.testing import check_data_source

AS_IT_IS = Preparation(None)


@pytest.fixture
def write(tmp_path):
    """Write small images under some names, each of a grey of its own."""

    def written(names, folder="set"):
        place = tmp_path / folder
        for number, name in enumerate(names):
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((6, 8), 2 * number, np.uint8)).save(path)
        return place

    return written


def test_a_file_and_the_generator_keep_what_the_interface_promises(npz):
    check_data_source(NpzSource(), str(npz(forgeries=2)))
    check_data_source(SyntheticSource(), "writers=2,genuine=2,forgeries=1", skip=("missing",))


def test_forgers_that_names_tell_apart_are_hands_of_their_own(write):
    names = ["0001/0001v00.bmp", "0001/0002_0001f00.bmp", "0001/0002_0001f01.bmp", "0001/0003_0001f00.bmp"]
    names += ["0002/0002v00.bmp"]
    data = read_training_data(str(write(names)), AS_IT_IS)
    hands = {tuple(np.flatnonzero(data.labels["hand"] == each)) for each in np.unique(data.labels["hand"])}
    assert len(hands) == 4
    assert data.writer_count == 2


def test_every_data_set_has_hands_families_and_roles(npz):
    data = read_training_data(str(npz(writers=3, genuine=4, forgeries=2)), AS_IT_IS)
    assert np.array_equal(data.labels["hand"], 2 * data.writers + data.forged)
    assert np.array_equal(data.labels["family"], data.writers)
    assert np.array_equal(data.labels["role"], 2 * data.forged)


def test_joined_data_tell_their_writers_and_labels_apart(npz):
    one, two = str(npz("one.npz", writers=3, forgeries=1)), str(npz("two.npz", writers=2))
    joined = read_all([one, two], AS_IT_IS)
    first, second = (read_training_data(each, AS_IT_IS) for each in (one, two))
    assert joined.labels["part"].tolist() == [0] * len(first) + [1] * len(second)
    assert joined.writers.tolist() == [*first.writers, *(second.writers + 3)]
    assert joined.labels["hand"].tolist() == [*first.labels["hand"], *(second.labels["hand"] + 6)]
    assert joined.labels["role"].tolist() == [*first.labels["role"], *second.labels["role"]]
    assert np.array_equal(joined.image(len(first) + 3), second.image(3))
    assert join([first]).digest() != joined.digest()
    assert with_common_labels(first).digest() == first.digest()


class Counting(SignatureSet):
    """Four images, and how often they were read."""

    reads = 0
    writers = (1, 1, 2, 2)
    forged = np.zeros(4, bool)

    def read(self, index):
        Counting.reads += 1
        return np.full((3, 4), index, np.uint8)

    def digest(self):
        return "counting"


def test_what_was_preprocessed_before_is_kept_until_something_that_decides_it_changes(tmp_path, npz):
    cache, source = tmp_path / "cache", npz()
    first = read_training_data(str(source), AS_IT_IS, cache=cache)
    (kept,) = cache.iterdir()
    stamp = kept.stat().st_mtime_ns
    again = read_training_data(str(source), AS_IT_IS, cache=cache)
    assert again.digest() == first.digest()
    assert kept.stat().st_mtime_ns == stamp
    read_training_data(str(source), Preparation("toy-invert"), cache=cache)
    assert len(list(cache.iterdir())) == 2
    read_training_data(str(npz(genuine=5)), AS_IT_IS, cache=cache)  # the same name, other images
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", [lambda b: b[:-200], lambda b: b"", lambda b: b[:500] + b"xx" + b[502:]])
def test_kept_data_that_are_damaged_are_made_anew(tmp_path, npz, damage):
    cache, source = tmp_path / "cache", npz()
    first = read_training_data(str(source), AS_IT_IS, cache=cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    assert read_training_data(str(source), AS_IT_IS, cache=cache).digest() == first.digest()
    assert [each.name for each in cache.iterdir()] == [kept.name]


def test_what_was_found_is_told_before_an_image_is_read_and_progress_counts_images(
    npz, capsys, monkeypatch
) -> None:
    """Preprocessing tens of thousands of images takes minutes: nobody should wait without a word."""
    events: list[object] = []

    class Recorded(Preparation):
        def __call__(self, image):
            events.append("image")
            return super().__call__(image)

    place = str(npz(writers=2, genuine=3))
    read_training_data(place, Recorded("toy-invert"), on_found=events.append)
    assert str(events[0]).startswith(f"{place}: 2 writers, 6 genuine signatures")
    assert events[1:] == ["image"] * 6
    monkeypatch.setattr("sigzoo.common.progress.SECONDS_BETWEEN_LINES", 0.0)
    capsys.readouterr()
    read_training_data(place, Preparation("toy-invert"), progress=True)
    assert f"reading {place}: 6 of 6" in capsys.readouterr().err
