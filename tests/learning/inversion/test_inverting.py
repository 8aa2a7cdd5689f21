"""A teacher is inverted to images that it classifies as wanted, in the published layout."""

import csv
import json

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from PIL import Image

import sigzoo
from sigzoo.data import SignatureData
from sigzoo.errors import DataError, SigzooError, UnknownNameError, UsageError
from sigzoo.learning import DivergedError, InversionSettings, invert
from sigzoo.learning.inversion.batch_plan import make_plan
from sigzoo.learning.inversion.image_optimiser import ImageOptimiser, resolutions
from sigzoo.learning.inversion.networks import load_classifier


def choices(name, x):
    """Whom a model takes images from 0 to 1 for, by its own parts."""
    model = sigzoo.load(name, device="cpu")
    with torch.no_grad():
        features = model.backbone(torch.from_numpy(x) * 255 * model.card.input_scale)
        return model.heads["writer"](features).argmax(dim=1).numpy()


def test_the_teacher_takes_the_images_for_the_wanted_writers(small):
    result = invert(small(iterations=80))
    with np.load(result.data) as file:
        assert set(file.files) == {"x", "y", "yforg"}
        x, y, yforg = file["x"], file["y"], file["yforg"]
    assert (x.dtype, x.shape) == (np.float32, (12, 1, 24, 32))
    assert (y.dtype, yforg.dtype) == (np.int64, np.int64)
    assert np.bincount(y).tolist() == [3, 3, 3, 3]
    assert not yforg.any()
    assert x.min() >= 0
    assert 0.3 < x.max() <= 1
    as_wanted = (choices("master", x) == y).mean()
    assert result.agreement == pytest.approx(100 * as_wanted)
    assert as_wanted > 0.9
    assert result.disagreement is None


def test_images_match_the_statistics_that_noise_does_not(small):
    made = invert(small(cross_entropy=0.0, statistics=1.0)).batches
    noise = invert(
        small(output=small().output.with_name("noise.npz"), iterations=1, learning_rate=1e-6)
    ).batches
    assert max(each.statistics for each in made) < 0.6 * min(each.statistics for each in noise)


def test_a_larger_weight_gives_smoother_images(small, tmp_path):
    few = {"per_writer": 1, "iterations": 20}
    rough = invert(small(tv_l1=0.0, tv_l2=0.0, **few)).batches[0]
    smooth = invert(small(tv_l1=30.0, output=tmp_path / "smooth.npz", **few)).batches[0]
    assert smooth.tv_l1 < 0.7 * rough.tv_l1
    faint = invert(small(l2=3.0, output=tmp_path / "faint.npz", **few)).batches[0]
    assert faint.l2 < 0.7 * rough.l2


def test_the_reader_of_data_sets_reads_the_file(small):
    result = invert(small(first_label=350, iterations=4))
    with SignatureData(result.data, label_range=(350, 353)) as data:
        assert data.pixel_range == (0.0, 1.0)
        assert data.shape == (12, 1, 24, 32)
        assert sorted(set(data.y)) == [350, 351, 352, 353]


def test_bytes_take_a_quarter_of_the_space_and_are_what_is_judged(small, tmp_path):
    floats = invert(small(iterations=15))
    levels = invert(small(uint8=True, iterations=15, output=tmp_path / "bytes.npz"))
    with np.load(floats.data) as one, np.load(levels.data) as other:
        assert other["x"].dtype == np.uint8
        assert np.array_equal(np.rint(255 * one["x"]), other["x"])
        as_wanted = (choices("master", other["x"].astype(np.float32) / 255) == other["y"]).mean()
    assert levels.agreement == pytest.approx(100 * as_wanted)
    assert levels.data.stat().st_size < 0.3 * floats.data.stat().st_size


@pytest.mark.parametrize(("writers", "labels"), [("2", [0, 1]), ("1-3", [1, 2, 3]), ("all", [0, 1, 2, 3])])
def test_some_writers_or_all(writers, labels, small):
    result = invert(small(writers=writers, iterations=2))
    with np.load(result.data) as file:
        assert sorted(set(file["y"])) == labels
        assert len(file["y"]) == 3 * len(labels)
    assert result.writers == len(labels)


def test_batches_mix_writers_and_differ_little_in_size(small):
    plan = make_plan(small(per_writer=5, batch_size=7), 9)
    assert len(plan) == 45
    assert {len(batch) for batch in plan.batches} == {6, 7}
    assert min(len(set(batch)) for batch in plan.batches) >= 5
    assert np.bincount(np.concatenate(plan.batches)).tolist() == [5] * 9


def test_the_seed_decides_the_images(small, tmp_path):
    def images(name, seed):
        with np.load(invert(small(output=tmp_path / name, seed=seed, iterations=5)).data) as file:
            return file["x"][np.argsort(file["y"], kind="stable")]

    first = images("a.npz", 0)
    assert np.array_equal(first, images("b.npz", 0))
    assert not np.array_equal(first, images("c.npz", 1))


def test_a_student_is_given_what_it_does_not_know(small, tmp_path):
    alone = invert(small(compete="pupil", competition=0.0))
    against = invert(small(compete="pupil", competition=30.0, output=tmp_path / "against.npz"))
    assert alone.disagreement is not None
    assert against.disagreement > alone.disagreement
    assert against.batches[0].competition < alone.batches[0].competition
    with np.load(against.data) as file:
        differ = choices("pupil", file["x"]) != choices("master", file["x"])
    assert against.disagreement == pytest.approx(100 * differ.mean())


def test_a_network_of_any_size_computes_small_images_as_they_are(small):
    settings = small(teacher="any-size", size=(20, 30), iterations=10, half_resolution=0.4)
    teacher = load_classifier("teacher", settings)
    assert resolutions(settings, (20, 30)) == [((10, 15), 4), ((20, 30), 6)]
    images = ImageOptimiser(teacher, None, settings, (20, 30)).make(0, np.array([0, 1]), lambda steps: None)
    assert tuple(images.shape) == (2, 1, 20, 30)
    assert teacher.backbone.seen == [(10, 15)] * 4 + [(20, 30)] * 6


def test_a_network_that_needs_larger_images_than_half_gets_them_enlarged(small):
    settings = small(teacher="any-size", size=(12, 30), iterations=4)
    teacher = load_classifier("teacher", settings)
    ImageOptimiser(teacher, None, settings, (12, 30)).make(0, np.array([0, 1]), lambda steps: None)
    assert teacher.backbone.seen == [(12, 30)] * 4


def test_bfloat16_gives_images_too(small):
    result = invert(small(precision="bfloat16", iterations=80))
    assert result.agreement > 80


def test_what_is_left_beside_the_file(small, tmp_path):
    told, steps = [], []
    result = invert(
        small(plot=tmp_path / "sheet.png", iterations=6),
        progress=steps.append,
        on_batch=lambda batch, count: told.append((batch, count)),
    )
    left = {"data.npz", "data.inversion.csv", "data.inversion.json", "sheet.png"}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert sum(steps) == 12
    assert [each for each, _ in told] == list(result.batches)
    assert {count for _, count in told} == {2}
    with result.log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["as_wanted"]) for row in rows] == [each.as_wanted for each in result.batches]
    assert [float(row["statistics"]) for row in rows] == [each.statistics for each in result.batches]
    assert rows[0]["competition"] == ""
    described = json.loads(result.description.read_text())
    assert described["licence"] == "for tests only"
    assert described["agreement"] == result.agreement
    assert described["settings"]["teacher"] == "master"
    assert str(tmp_path) not in result.description.read_text()
    with Image.open(result.sheet) as sheet:
        assert sheet.width > 3 * 32
        assert sheet.height > 4 * 24


@pytest.mark.parametrize(
    ("otherwise", "error", "message"),
    [
        ({"teacher": "mastr"}, UnknownNameError, "Did you mean master"),
        ({"teacher": "synsig-tiny"}, UsageError, "keeps no writer head"),
        ({"teacher": "plain"}, UsageError, "'plain' has no BatchNorm2d layer"),
        ({"compete": "synsig-tiny"}, UsageError, "synsig-tiny keeps no writer head, so it cannot compete"),
        ({"compete": "master"}, UsageError, "'master' has the teacher's own weights"),
        ({"writers": "5"}, UsageError, "'master' has 4 outputs; ask for 1 to 4 of them"),
        ({"writers": "0"}, UsageError, "ask for 1 to 4 of them"),
        ({"writers": "2-4"}, UsageError, "numbered from 0 to 3"),
        ({"writers": "3-2"}, UsageError, "the smaller one first"),
        ({"size": (24, 30)}, UsageError, r"'master' takes images of \(24, 32\) \(h, w\), not of \(24, 30\)"),
        ({"teacher": "any-size"}, UsageError, "say which to make, --size H,W"),
        ({"teacher": "any-size", "size": (6, 30)}, UsageError, r"takes images from \(8, 8\) on"),
        (
            {"teacher": "any-size", "size": (20, 30), "compete": "pupil"},
            UsageError,
            r"takes images of \(24, 32\)",
        ),
        ({"device": "cuda:77"}, UsageError, "cuda:77"),
        ({"plot": "/nowhere/sheet.png"}, UsageError, "folder /nowhere does not exist"),
        ({"output": "/nowhere/data.npz"}, UsageError, "folder /nowhere does not exist"),
        ({"teacher_weights": "/nowhere/w.safetensors"}, SigzooError, "/nowhere/w.safetensors"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(otherwise, error, message, small, tmp_path):
    with pytest.raises(error, match=message):
        invert(small(**otherwise))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("otherwise", "message"),
    [
        (
            {"writers": "many"},
            r"writers must be of the form ALL\|N\|A-B, got 'many'",
        ),
        ({"per_writer": 0}, "per_writer must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"statistics": -1.0}, "statistics must be at least 0"),
        ({"tv_l2": float("inf")}, "tv_l2 must be at least 0"),
        ({"half_resolution": 1.0}, "half_resolution must be at least 0 and below 1"),
        ({"size": (0, 5)}, r"size must be H,W \(2 values\), whole numbers of at least 1"),
        ({"output": "data.csv"}, "output must be a file ending in .npz"),
        ({"plot": "sheet.pdf"}, "plot must be a file ending in .png"),
    ],
)
def test_a_setting_out_of_range_is_named(otherwise, message, small):
    with pytest.raises(UsageError, match=message):
        small(**otherwise)


def test_settings_survive_json(small, tmp_path):
    settings = small(size=[24, 32], plot=tmp_path / "s.png", compete="pupil", writers=3)
    plain = json.loads(json.dumps(settings.to_json()))
    assert InversionSettings.from_json(plain, "here") == settings
    assert settings.differences(replace(settings, device="cuda", plot=None)) == []
    assert settings.differences(replace(settings, seed=5, tv_l1=9.0)) == ["seed", "tv_l1"]
    with pytest.raises(DataError, match="here: holds colour, which no inversion has"):
        InversionSettings.from_json({**plain, "colour": 1}, "here")
    with pytest.raises(UnknownNameError, match="float16"):
        small(precision="float16")


def test_an_objective_that_is_no_number_ends_the_run(small):
    with pytest.raises(DivergedError, match="in step 1 of batch 1.*smaller weights"):
        invert(small(statistics=1e38, first_statistics=1e38))
