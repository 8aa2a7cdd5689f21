"""Copies of one signature are told apart from two signatures of one writer."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sigzoo
from sigzoo.imaging import read_image
from sigzoo.verification.copies import COPY, groups_of_copies, ink_picture, ink_print

Written = Callable[[int, int], Path]
Change = Callable[[Image.Image], Image.Image]


def _as_jpeg(image: Image.Image) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=70)
    return Image.open(io.BytesIO(held.getvalue()))


def _padded(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.pad(np.asarray(image), ((3, 20), (40, 7)), constant_values=255))


def _larger(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.LANCZOS)


CHANGES: dict[str, Change] = {"jpeg": _as_jpeg, "padded": _padded, "larger": _larger}


def _grey(path: Path) -> NDArray[np.uint8]:
    return read_image(path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_told_and_the_answer_stays(
    model: sigzoo.SignatureModel, written: Written, tmp_path: Path, change: str
) -> None:
    known = [written(1, number) for number in range(3)]
    copied = tmp_path / "copied.png"
    CHANGES[change](Image.fromarray(_grey(known[1]))).save(copied)
    answer = model.verify(known, copied)
    (warning,) = [each for each in answer.warnings if "looks like a copy" in each]
    assert str(known[1]) in warning
    assert str(copied) in warning
    twice = model.verify([*known, copied], written(1, 9))
    assert any("counts as two" in each for each in twice.warnings)


def test_signatures_of_one_writer_are_no_copies(written: Written) -> None:
    for writer in (1, 2, 5):
        prints = np.stack([ink_print(_grey(written(writer, number))) for number in range(6)])
        np.testing.assert_allclose(np.diag(prints @ prints.T), 1.0, atol=1e-5)
        assert (prints @ prints.T)[np.triu_indices(6, 1)].max() < COPY


def test_a_print_is_the_correlation_of_the_cut_and_scaled_ink(written: Written) -> None:
    images = [_grey(written(1, number)) for number in (0, 1)]
    pictures = []
    for image in images:
        level = _otsu_by_trying(image)
        rows, columns = np.where(image <= level)
        cut = (image <= level)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        small = Image.fromarray((cut * 255).astype(np.uint8)).resize((96, 48), Image.Resampling.BOX)
        pictures.append(np.asarray(small, float).ravel())
    expected = np.corrcoef(*pictures)[0, 1]
    assert float(ink_print(images[0]) @ ink_print(images[1])) == pytest.approx(expected, abs=1e-4)


def test_copies_are_grouped_by_writer_and_a_copy_of_a_copy_with_them(written: Written) -> None:
    images = [_grey(written(1, number)) for number in range(3)]
    wider = np.pad(images[0], 20, constant_values=255)
    large = np.asarray(Image.fromarray(images[0]).resize((images[0].shape[1] * 2, images[0].shape[0] * 2)))
    pictures = [ink_picture(each) for each in (*images, wider, large, images[1])]
    assert groups_of_copies(pictures, ["a", "a", "a", "a", "a", "b"]) == [(0, 3, 4)]
    assert groups_of_copies(pictures, ["a", "b", "a", "c", "a", "b"]) == [(0, 4), (1, 5)]
    assert groups_of_copies([], []) == []


def test_the_copies_of_a_release_are_found(shared_data: Path) -> None:
    folders = [shared_data / "bhsig-dev" / writer for writer in ("001", "002", "003")]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    pictures = [ink_picture(_grey(file)) for file in files]
    found = groups_of_copies(pictures, [file.parent.parent.name for file in files])
    prints = [np.asarray(each, float).ravel() for each in pictures]
    pairs = {
        (one, other)
        for one in range(len(files))
        for other in range(one + 1, len(files))
        if files[one].parents[1] == files[other].parents[1]
        and np.corrcoef(prints[one], prints[other])[0, 1] > COPY
    }
    assert {pair for group in found for pair in combinations(group, 2)} == pairs


def _otsu_by_trying(image: NDArray[np.uint8]) -> int:
    """The level at which the variance between both sides is largest, by trying all."""
    values = image.astype(float).ravel()
    best, found = -1.0, 0
    for level in range(255):
        low, high = values[values <= level], values[values > level]
        if len(low) and len(high):
            between = len(low) * len(high) * (low.mean() - high.mean()) ** 2
            if between > best * (1 + 1e-12):
                best, found = between, level
    return found


def test_an_image_of_one_grey_level_has_an_empty_print() -> None:
    assert not ink_print(np.full((20, 30), 200, np.uint8)).any()


def test_real_signatures_are_no_copies(shared_data: Path) -> None:
    files = sorted((shared_data / "sigcomp2009").rglob("*.png"))
    prints = np.stack([ink_print(_grey(file)) for file in files])
    assert (prints @ prints.T)[np.triu_indices(len(files), 1)].max() < COPY
