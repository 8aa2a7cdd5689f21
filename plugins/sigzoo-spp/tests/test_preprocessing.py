"""The preprocessing of SigNet-SPP: exact, at the image's own size, on a canvas if wanted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from sigzoo_spp.preprocessing import SPP2018

from sigzoo.interfaces import ImageError, UsageError


def published(image):
    """Otsu in whole numbers, pixels above it to 255, inverted."""
    counts = np.bincount(image.ravel(), minlength=256).tolist()
    pixels, total = sum(counts), sum(level * count for level, count in enumerate(counts))
    best, best_variance, dark, dark_sum = 0, Fraction(0), 0, 0
    for level, count in enumerate(counts):
        dark, dark_sum = dark + count, dark_sum + level * count
        if dark in (0, pixels):
            continue
        variance = Fraction((pixels * dark_sum - dark * total) ** 2, dark * (pixels - dark))
        if variance > best_variance:
            best, best_variance = level, variance
    cleaned = image.copy()
    cleaned[cleaned > best] = 255
    return 255 - cleaned


def test_no_pixel_differs_from_the_published_steps_on_generated_images(specimens):
    compared = 0
    for specimen in specimens(234):
        if len(np.unique(specimen.image)) == 1:
            continue
        assert (SPP2018()(specimen.image) == published(specimen.image)).all(), str(specimen)
        compared += 1
    assert compared >= 200


def test_the_published_example_gives_the_published_image(golden):
    image = np.asarray(Image.open(golden / "some_signature.png").convert("L"))
    assert (SPP2018()(image) == np.load(golden / "processed_spp_py3.npy")).all()


@pytest.mark.parametrize(("dark", "light"), [(0, 255), (0, 1), (80, 255), (254, 255)])
def test_images_of_two_levels_keep_their_ink(dark, light):
    image = np.full((40, 60), light, np.uint8)
    image[10:20, 10:50] = dark
    assert (SPP2018()(image) == np.where(image == dark, 255 - dark, 0)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_the_smallest_images_keep_their_size_or_hold_no_ink(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if image.size == 1:
        with pytest.raises(ImageError, match="no ink"):
            SPP2018()(image)
    else:
        assert SPP2018()(image).shape == shape


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((60, 90), (100, 200)),
        ((100, 200), (100, 200)),
        ((140, 250), (140, 250)),
        ((140, 90), (140, 200)),
        ((61, 201), (100, 201)),
    ],
)
def test_a_canvas_pads_what_is_smaller_and_leaves_what_is_larger(shape, expected):
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    result = SPP2018(canvas=[100, 200])(image)
    assert result.shape == expected
    top, left = (expected[0] - shape[0]) // 2, (expected[1] - shape[1]) // 2
    assert (result[top : top + shape[0], left : left + shape[1]] == SPP2018()(image)).all()
    assert result.sum() == SPP2018()(image).sum()


@pytest.mark.parametrize(
    ("name", "size"),
    [("gpds", (952, 1360)), ("mcyt", (600, 850)), ("cedar", (730, 1042)), ("brazilian", (700, 1000))],
)
def test_a_canvas_can_be_named_after_its_data_set(name, size):
    image = np.random.default_rng(3).integers(0, 256, (60, 90), dtype=np.uint8)
    assert SPP2018(canvas=name).canvas == size
    assert (SPP2018(canvas=name)(image) == SPP2018(canvas=size)(image)).all()
    assert SPP2018(canvas=name)(image).shape == size


def test_an_unknown_canvas_name_brings_the_nearest_and_all_of_them():
    with pytest.raises(UsageError, match=r"Did you mean cedar\?.*gpds \(952, 1360\).*brazilian"):
        SPP2018(canvas="ceder")


def test_a_canvas_beyond_200_million_pixels_is_refused_with_the_limit():
    assert SPP2018(canvas=(10_000, 20_000)).canvas == (10_000, 20_000)
    with pytest.raises(UsageError, match=r"10000 x 20001 .*at most 200 million"):
        SPP2018(canvas=(10_000, 20_001))


@pytest.mark.parametrize("canvas", [(200_000_000, 1), (1, 200_000_000)])
def test_padding_to_more_than_200_million_pixels_is_refused(canvas):
    image = np.random.default_rng(4).integers(0, 256, (60, 90), dtype=np.uint8)
    for use in (SPP2018(canvas=canvas), SPP2018(canvas=canvas).stages):
        with pytest.raises(ImageError, match="60 x 90 pixels.*more than 200 million pixels"):
            use(image)


def test_the_stages_end_with_the_result():
    image = np.random.default_rng(2).integers(0, 256, (50, 70), dtype=np.uint8)
    before = image.copy()
    assert list(SPP2018().stages(image)) == ["original", "background removed"]
    padded = SPP2018(canvas=(80, 80)).stages(image)
    assert list(padded) == ["original", "background removed", "padded"]
    assert (padded["padded"] == SPP2018(canvas=(80, 80))(image)).all()
    assert (image == before).all()
    assert SPP2018().output_size is None


@pytest.mark.parametrize("image", [np.full((9, 9), 255, np.uint8), np.zeros((9, 9), np.uint8)])
def test_a_blank_image_holds_no_ink(image):
    with pytest.raises(ImageError, match="no ink"):
        SPP2018()(image)
    with pytest.raises(ImageError, match="no ink"):
        SPP2018().stages(image)


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5)), np.zeros((5, 5, 3), np.uint8), np.zeros((0, 5), np.uint8), None]
)
def test_what_is_no_grey_image_is_refused_with_what_was_expected(image):
    with pytest.raises(ImageError, match="expected a grey image"):
        SPP2018()(image)


@pytest.mark.parametrize("canvas", [(0, 5), (5,), "480x680", 5, (1.5, 2), (10**7, 10**7)])
def test_a_canvas_that_is_none_is_refused(canvas):
    with pytest.raises(UsageError, match="canvas"):
        SPP2018(canvas=canvas)
