"""Conditions: each can be asked for, and is what it is called."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sigzoo.cli import synth
from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.synthesis import RENDERINGS, Writer, conditions
from sigzoo.synthesis.scan_conditions import PENS


def drawn(name: str, **fixed: object) -> list[Any]:
    return [conditions(name, **fixed)(np.random.default_rng(seed)) for seed in range(60)]


def images(name: str, **fixed: object) -> list[np.ndarray]:
    return [Writer((6, n), rendering=conditions(name, **fixed)).genuine(1) for n in range(3)]


def test_the_command_offers_every_rendering_and_every_pen():
    assert list(RENDERINGS) == synth.RENDERINGS
    assert list(PENS) == synth.PENS


def test_scanners_have_300_or_600_dpi_and_some_scans_are_compressed_or_of_two_levels():
    scans = [scan for _, scan in drawn("scanner")]
    for dpi in (300.0, 600.0):
        assert 10 < sum(scan.dpi == dpi for scan in scans) < 50
    assert 5 < sum(scan.jpeg is not None for scan in scans) < 30
    assert 1 < sum(scan.two_level for scan in scans) < 25
    assert len({scan.blur for scan in scans}) == len({scan.noise for scan in scans}) == 60


def test_two_level_scans_show_the_whole_signature_with_any_pen():
    for pen in ("ballpoint", "fibre", "pencil"):
        grey = images("office", pen=pen, dpi=300)
        for image, pale in zip(images("binarised", pen=pen, dpi=300), grey, strict=True):
            assert set(np.unique(image)) == {0, 255}
            assert 0.4 < (image == 0).sum() / (pale < 200).sum() < 2.5


def test_compressed_scans_have_the_blocks_of_jpeg():
    for image in images("jpeg", dpi=300):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=95)
        with Image.open(file) as again:
            once_more = np.abs(np.asarray(again).astype(int) - image).mean()
        across = np.abs(np.diff(image.astype(int), axis=1)).mean(axis=0)
        at_edges = across[7::8].mean() / across.mean()
        assert at_edges > 1.02
        assert once_more < 2


def test_tablets_write_even_lines_on_pure_white():
    for image in images("tablet"):
        assert np.median(image) == 255
        assert image[:3].min() == 255
        assert image.min() < 60


def test_photographs_have_grey_paper_in_uneven_light():
    for image in images("photographed"):
        paper = [np.median(part) for row in np.array_split(image, 3) for part in np.array_split(row, 3, 1)]
        assert max(paper) < 235
        assert np.ptp(paper) > 4


def test_pencils_are_paler_and_fibre_pens_broader_than_ballpoints():
    darkness = {kind: np.mean([pen.darkness for pen, _ in drawn("office", pen=kind)]) for kind in PENS}
    width = {kind: np.mean([pen.width for pen, _ in drawn("office", pen=kind)]) for kind in PENS}
    assert darkness["pencil"] < darkness["ballpoint"] - 0.2
    assert width["fibre"] > 1.5 * width["ballpoint"]


@pytest.mark.parametrize("name", ["office", "scanner", "tablet"])
def test_the_resolution_can_be_fixed_and_changes_nothing_but_the_number_of_pixels(name):
    coarse, fine = images(name, dpi=300), images(name, dpi=600)
    for small, large in zip(coarse, fine, strict=True):
        assert np.abs(np.array(large.shape) - 2 * np.array(small.shape)).max() <= 1
        shrunk = np.asarray(Image.fromarray(large).resize(small.shape[::-1], Image.Resampling.BOX))
        likeness = np.corrcoef(shrunk.ravel(), small.ravel())[0, 1]
        assert likeness > 0.8


def test_every_resolution_of_a_rendering_is_fixed():
    for name in RENDERINGS:
        assert {scan.dpi for _, scan in drawn(name, dpi=600)} == {600.0}


def test_names_and_resolutions_that_do_not_exist():
    with pytest.raises(UnknownNameError, match="Did you mean scanner"):
        conditions("scaner")
    with pytest.raises(UnknownNameError, match="Did you mean pencil"):
        conditions("office", pen="pencl")
    with pytest.raises(UsageError, match="50 to 1200"):
        conditions("office", dpi=20)
