"""A look at a data set: counts, duplicates, unreadable files, and cues against scikit-learn's areas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from sigzoo.cli import run
from sigzoo.datasets import open_data
from sigzoo.evaluation.baseline import scan_statistics
from sigzoo.evaluation.inspection import inspect_signatures
from sigzoo.evaluation.inspection.cues import separation
from sigzoo.evaluation.inspection.facts import CUES
from sigzoo.testing import images

RNG = np.random.default_rng(0)


def save(path: Path, image: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three writers, four genuine and three forged signatures each; forged ones on darker paper."""
    folder = tmp_path / "set"
    for number in range(21):
        writer, forged = number // 7, number % 7 >= 4
        image = images.signature(number)
        if forged:
            image = np.minimum(image, 230).astype(np.uint8)
        save(folder / f"w{writer + 1:03d}_{'f' if forged else 'g'}{number:02d}.png", image, dpi=(300, 300))
    return folder


def test_scan_statistics_are_the_papers_grey_the_levels_and_the_height():
    image = np.full((40, 60), 200, np.uint8)
    image[10:20, 10:50] = 30
    image[0, :5] = 210
    paper, levels, height = scan_statistics(image)
    assert (paper, levels, np.exp(height)) == (200 / 255, 3, pytest.approx(40))
    assert scan_statistics(np.full((4, 4), 7, np.uint8))[0] == 7 / 255


def test_counts_sizes_and_resolutions(place):
    seen = inspect_signatures(open_data(str(place))[0])
    assert (seen.writers, seen.genuine, seen.forged, seen.simple) == (3, 12, 9, 0)
    assert str(seen.genuine_per_writer) == "4"
    shapes = [np.asarray(Image.open(path)).shape for path in place.iterdir()]
    assert (seen.heights.least, seen.heights.greatest) == (
        min(s[0] for s in shapes),
        max(s[0] for s in shapes),
    )
    assert seen.widths.median == np.median([s[1] for s in shapes])
    assert seen.resolutions == {"300": 21}
    assert seen.duplicates == seen.copies == seen.unreadable == seen.blank == ()


def test_a_cue_that_gives_forgeries_away_is_warned_of(place):
    seen = inspect_signatures(open_data(str(place))[0])
    first = seen.cues[0]
    assert (first.cue, first.eer, first.auc, first.genuine_is_higher) == ("grey of the paper", 0, 1, True)
    assert any(
        "the grey of the paper alone tells forged from genuine with an equal error rate of 0.0 %" in each
        for each in seen.warnings()
    )
    assert {each.cue for each in seen.cues} == set(CUES)


def test_areas_are_those_of_scikit_learn():
    forged = RNG.random(200) < 0.4
    writers = RNG.integers(0, 7, 200)
    values = np.round(RNG.normal(size=200) - 0.7 * forged + writers, 1)
    found = separation("cue", values.tolist(), forged, writers.tolist())
    area = roc_auc_score(~forged, values)
    assert found.auc == pytest.approx(area)
    assert found.genuine_is_higher
    within = [roc_auc_score(~forged[writers == w], values[writers == w]) for w in range(7)]
    assert found.auc_within == pytest.approx(np.mean(within))
    turned = separation("cue", (-values).tolist(), forged, writers.tolist())
    assert (turned.eer, turned.auc) == pytest.approx((found.eer, area))
    assert not turned.genuine_is_higher


def test_what_is_known_of_some_is_measured_on_them_alone():
    forged = np.array([False, False, True, True])
    found = separation("cue", [1.0, None, 0.0, None], forged, ["a"] * 4)
    assert (found.values, found.eer) == (2, 0)
    assert separation("cue", [1.0, 2.0, None, None], forged, ["a"] * 4) is None


def test_duplicates_unreadable_and_blank_images_are_named(place):
    shutil.copy(place / "w001_g00.png", place / "w001_g90.png")
    shutil.copy(place / "w002_g07.png", place / "w003_f91.png")
    save(place / "w001_g92.png", np.asarray(Image.open(place / "w001_g01.png")), compress_level=1)
    save(place / "w001_g93.png", np.full((50, 60), 255, np.uint8))
    (place / "w002_g94.png").write_bytes((place / "w002_g08.png").read_bytes()[:100])
    seen = inspect_signatures(open_data(str(place))[0])
    groups = {
        frozenset(Path(name).stem for name in each.names): (
            each.byte_identical,
            each.across_writers,
            each.across_kinds,
        )
        for each in seen.duplicates
    }
    assert groups == {
        frozenset({"w001_g00", "w001_g90"}): (True, False, False),
        frozenset({"w002_g07", "w003_f91"}): (True, True, True),
        frozenset({"w001_g01", "w001_g92"}): (False, False, False),
    }
    assert [Path(name).name for name, _ in seen.unreadable] == ["w002_g94.png"]
    assert [Path(name).name for name in seen.blank] == ["w001_g93.png"]
    told = seen.warnings()
    assert "1 group of identical images that count as genuine and as forged" in told
    assert "1 of the images cannot be read" in told


def test_copies_in_another_crop_or_scale_are_named(place):
    first = Image.open(place / "w001_g00.png")
    first.resize((first.width * 3 // 2, first.height * 3 // 2)).save(place / "w001_f90.png")
    cut = np.pad(np.asarray(Image.open(place / "w002_g07.png")), 9, constant_values=255)
    save(place / "w002_g91.png", cut)
    save(place / "w003_g92.png", cut)  # of another writer: not compared
    seen = inspect_signatures(open_data(str(place))[0])
    groups = {frozenset(Path(name).stem for name in each.names): each.across_kinds for each in seen.copies}
    assert groups == {
        frozenset({"w001_g00", "w001_f90"}): True,
        frozenset({"w002_g07", "w002_g91"}): False,
    }
    assert any("2 groups of images of one writer with the same ink" in each for each in seen.warnings())


def test_one_writer_and_no_forgeries_are_said(tmp_path):
    for number in range(3):
        save(tmp_path / f"w001_g{number:02d}.png", images.signature(number))
    seen = inspect_signatures(open_data(str(tmp_path))[0])
    assert seen.cues == ()
    assert seen.warnings() == [
        "one writer only: nothing can be measured against other writers",
        "no forgeries: skilled error rates cannot be measured",
    ]


def test_an_npz_is_looked_at_without_files(tmp_path):
    x = np.stack([images.signature(0)] * 4)[:, np.newaxis]
    np.savez(tmp_path / "set.npz", x=x, y=np.array([1, 1, 2, 2]), yforg=np.array([0, 1, 0, 1]))
    seen = inspect_signatures(open_data(str(tmp_path / "set.npz"))[0])
    assert seen.resolutions == {"none": 4}
    assert [each.byte_identical for each in seen.duplicates] == [False]
    assert not {"resolution", "file size"} & {each.cue for each in seen.cues}


def test_the_command_prints_fields_cues_files_and_notes(place, tmp_path, capsys):
    (place / "notes.txt").write_text("not an image")
    sheet = tmp_path / "sheet.png"
    assert run(["dataset", "inspect", str(place), "--contact-sheet", str(sheet)]) == 0
    printed = capsys.readouterr().out
    assert "writers         3" in printed or "writers" in printed
    assert "grey of the paper" in printed
    assert "a model that sees it seems better than it is" in printed
    drawn = np.asarray(Image.open(sheet))
    assert drawn.shape == (8 + 3 * 118, 8 + 8 * 248)
    assert (drawn[:, 4 * 248 + 3 : 4 * 248 + 5] == 0).all()
    assert run(["dataset", "inspect", str(place), "--contact-sheet", str(sheet)]) == 2
    assert "--force" in capsys.readouterr().err


def test_the_command_gives_all_as_json(place, capsys):
    shutil.copy(place / "w001_g00.png", place / "w001_g90.png")
    assert run(["dataset", "inspect", str(place), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["source"], told["writers"], told["genuine"], told["forged"]) == ("folder", 3, 13, 9)
    assert len(told["duplicates"]) == 1
    assert {each["cue"] for each in told["cues"]} == set(CUES)
    assert told["warnings"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "no image in it"),
        (lambda folder: (folder / "a.txt").write_text("x"), "no image in it"),
        (lambda folder: save(folder / "full_org" / "original_1_1.jpg", images.signature(0)), None),
    ],
)
def test_folders_of_nothing_are_errors_and_one_file_is_not(tmp_path, capsys, make, said):
    (folder := tmp_path / "set").mkdir()
    make(folder)
    status = run(["dataset", "inspect", str(folder)])
    printed = capsys.readouterr()
    if said is None:
        assert status == 0
        assert "nothing there of writer 2 to 55" in printed.out
    else:
        assert status == 2
        assert said in printed.err
