"""The trivial baseline on drawn figures, and the readers of folders."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigzoo.errors import DataError, ImageError, UsageError
from sigzoo.evaluation.baseline import ink_statistics, standardised
from sigzoo.evaluation.datasets import crossmedia, sigcomp2009

DATA = Path(os.environ.get("SIGZOO_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def bar(height: int, width: int, level: int = 55) -> np.ndarray:
    image = np.full((200, 400), 255, np.uint8)
    image[50 : 50 + height, 30 : 30 + width] = level
    return image


def test_a_bar_has_its_area_aspect_stroke_width_and_darkness():
    area, aspect, stroke, darkness = ink_statistics(bar(10, 300))
    assert np.exp(area) == pytest.approx(3000)
    assert np.exp(aspect) == pytest.approx(30)
    assert np.exp(stroke) == pytest.approx(10)
    assert darkness == pytest.approx(200 / 255)


def test_blank_images_are_refused():
    with pytest.raises(ImageError):
        ink_statistics(np.full((20, 20), 255, np.uint8))


def test_standardised_columns_have_mean_zero_and_deviation_one():
    values = standardised(np.random.default_rng(0).normal(3, 5, (50, 4)))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), 1)
    assert np.isfinite(standardised(np.ones((3, 2)))).all()


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), 255).save(path)


def test_sigcomp_names_tell_writer_and_forger(tmp_path):
    for name in ("001/genuine/001001_000.png", "001/forgery/021001_000.png", "002/002002_003.png", "x.png"):
        touch(tmp_path / name)
    found = sigcomp2009(tmp_path)
    assert [path.name for path in found.files] == ["021001_000.png", "001001_000.png", "002002_003.png"]
    assert found.known.identity == ["001", "001", "002"]
    assert found.known.forged == [True, False, False]


def test_crossmedia_identities_are_writers_with_names(tmp_path):
    for name in ("w001/ipad_01.png", "w001/paper_02.png", "w002/phonehand_01.png"):
        touch(tmp_path / name)
    (tmp_path / "splits.csv").write_text("writer,split\nw001,test\nw002,train\n")
    found = crossmedia(tmp_path)
    assert found.known.identity == ["w001 01", "w001 02"]
    assert found.known.medium == ("ipad", "paper")
    assert len(crossmedia(tmp_path, ["train", "test"]).files) == 3


def test_missing_folders_tables_and_images_are_errors_that_name_them(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        sigcomp2009(tmp_path / "none")
    with pytest.raises(UsageError, match="no image in it"):
        sigcomp2009(tmp_path)
    touch(tmp_path / "other" / "x.png")
    with pytest.raises(DataError, match="named as SigComp2009 names its files"):
        sigcomp2009(tmp_path)
    with pytest.raises(DataError, match=r"splits\.csv"):
        crossmedia(tmp_path)
    (tmp_path / "splits.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="writer and split"):
        crossmedia(tmp_path)


@pytest.mark.skipif(not (DATA / "sigcomp2009").is_dir(), reason="needs the data set SigComp2009")
def test_sigcomp2009_has_five_genuine_and_five_forged_signatures_of_twelve_writers():
    found = sigcomp2009(DATA / "sigcomp2009")
    assert len(found.files) == 120
    assert sum(found.known.forged) == 60
    assert len(set(found.known.writer)) == 12


@pytest.mark.skipif(not (DATA / "crossmedia").is_dir(), reason="needs the data set crossmedia")
def test_crossmedia_test_split_has_twenty_five_writers():
    found = crossmedia(DATA / "crossmedia")
    assert len(set(found.known.writer)) == 25
    assert set(found.known.medium or ()) == {"paper", "ipad", "phonehand", "phonetable"}
