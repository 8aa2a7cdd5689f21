"""Data sources: which one a place belongs to, what names say, and what they contradict."""

import numpy as np
import pytest
from PIL import Image

from sigzoo.datasets import open_data
from sigzoo.datasets.image_folders import ImageFolder
from sigzoo.datasets.npz_source import NpzSource
from sigzoo.datasets.published_layouts import BHSig260, Cedar, Gpds, Mcyt
from sigzoo.datasets.synthetic import SyntheticSource
from sigzoo.errors import DataError, UnknownNameError
from sigzoo.interfaces import SignatureSet
from sigzoo.learning.data.joining import join, with_common_labels
from sigzoo.learning.data.preparation import Preparation
from sigzoo.learning.data.sources import read_all, read_training_data
from sigzoo.testing import check_data_source

AS_IT_IS = Preparation(None)

# As the data sets' own read-me files and papers name their files: three writers, two of each kind.
LAYOUTS = {
    "cedar": [
        *(f"full_org/original_{w}_{n}.png" for w in (1, 2, 55) for n in (1, 24)),
        *(f"full_forg/forgeries_{w}_{n}.png" for w in (1, 2, 55) for n in (1, 24)),
    ],
    "mcyt": [
        *(f"{w:04d}/{w:04d}v{n:02d}.bmp" for w in (2, 200, 434) for n in (0, 14)),
        *(f"{w:04d}/{w + 1:04d}_{w:04d}f{n:02d}.bmp" for w in (2, 200, 434) for n in (0, 14)),
    ],
    "bhsig260": [
        f"{script}/{w:03d}/{script[0]}-S-{w}-{kind}-{n:02d}.tif"
        for script, w in (("Hindi", 1), ("Bengali", 1), ("Bengali", 100))
        for kind in "GF"
        for n in (1, 24)
    ],
    "gpds": [
        f"{w:03d}/{kind}-{w:03d}-{n:02d}.jpg" for w in (1, 2, 160) for kind in ("c", "cf") for n in (1, 24)
    ],
    "folder": [
        f"{w}/{kind}/{n}.png"
        for w in ("001", "002", "anna")
        for kind in ("genuine", "forgery")
        for n in (1, 2)
    ],
}


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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_by_its_names(write, layout):
    opened, found = open_data(str(write(LAYOUTS[layout])))
    assert (found.source, found.writers, found.genuine, found.forged) == (layout, 3, 6, 6)
    for index in range(len(opened)):
        name = opened.name(index).lower()
        said = any(mark in name for mark in ("forger", "_0", "-f-", "cf-")) and "original" not in name
        assert bool(opened.forged[index]) == said, name
    assert "3 writers, 6 genuine signatures and 6 forgeries" in str(found)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_keeps_what_the_interface_promises(write, layout):
    source = {"cedar": Cedar, "mcyt": Mcyt, "bhsig260": BHSig260, "gpds": Gpds, "folder": ImageFolder}[layout]
    check_data_source(source(), str(write(LAYOUTS[layout])))


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


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["full_org/1.png", "full_forg/1.png"], "no writer's folder.*"),
        (["original/1.png", "forgeries/1.png"], "no writer's folder"),
        (["genuine/a/1.png", "forged/a/1.png"], "no writer's folder"),
        (["real/1.png", "fake/1.png"], "no writer's folder"),
        (["001/1.png", "001_forg/1.png", "002/1.png"], "001_forg.*no writer's folder"),
        (["001/forged_1.png", "001/1.png", "002/1.png"], "says that it is a forgery"),
        (["001/genuine/forg_1.png", "002/1.png"], "says that it is a forgery"),
        (["001/g1.png", "001/f1.png", "002/g1.png"], "several kinds"),
        (["001/x_v_1.png", "001/x_f_1.png", "002/x_v_1.png"], "several kinds"),
        (["001/skilled/1.png", "001/other/1.png", "002/1.png"], "not other"),
    ],
)
def test_what_names_contradict_is_refused(write, names, said):
    with pytest.raises(DataError, match=said):
        open_data(str(write(names)))


@pytest.mark.parametrize(
    "names", [["fred/1.png", "organ/1.png"], ["forgan/f1.png", "forgan/f2.png", "b/f1.png"]]
)
def test_a_writer_may_have_any_name(write, names):
    _, found = open_data(str(write(names)))
    assert (found.writers, found.forged) == (2, 0)


def test_an_original_among_cedars_forgeries_is_refused(write):
    with pytest.raises(DataError, match="original_9_9.*the contrary"):
        open_data(str(write([*LAYOUTS["cedar"], "full_forg/original_9_9.png"])))


def test_a_strange_file_in_a_published_layout_is_named(write):
    place = write([*LAYOUTS["mcyt"], "0002/scan.png"])
    with pytest.raises(DataError, match=r"scan\.png: not named as MCYT-75 names its files"):
        open_data(str(place))
    assert open_data(f"folder:{write(LAYOUTS['folder'], 'plain')}")[1].source == "folder"


def test_a_source_that_is_none_is_told_with_the_nearest_names():
    with pytest.raises(UnknownNameError, match="cedr.*Did you mean cedar"):
        open_data("cedr:somewhere")


def test_a_source_by_its_name_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_data(f"cedar:{tmp_path / 'none'}")


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
