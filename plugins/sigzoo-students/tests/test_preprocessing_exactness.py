"""The fast preprocessing and its parts give what sorts, Pillow and plain numpy give."""

import math

import numpy as np
import pytest
from PIL import Image
from sigzoo_students import levels
from sigzoo_students.paper import Paper
from sigzoo_students.preprocessing import SynsigPreprocessor
from sigzoo_students.resampling import Resampling
from sigzoo_students.shrinking import shrunk as fast_shrunk
from slow_synsig import SIZE, otsu, paper, shrunk, slow_synsig

from sigzoo.imaging import grey_histogram
from sigzoo.interfaces import ImageError
from sigzoo.synthesis import RENDERINGS, DatasetSpec, conditions, generate


def fast_synsig(image):
    try:
        return SynsigPreprocessor(statistics=True)(image)
    except ImageError:
        return None


def assert_within_a_level(image):
    """The canvas within a level; the statistics, which are whole numbers from thresholds, exactly."""
    slow, fast = slow_synsig(image), fast_synsig(image)
    assert (slow is None) == (fast is None)
    if slow is not None:
        assert np.abs(slow.astype(int) - fast).max() <= 1
        np.testing.assert_array_equal(fast[SIZE[0] :], slow[SIZE[0] :])


@pytest.mark.parametrize("rendering", sorted(RENDERINGS))
def test_the_canvas_is_within_one_level_of_the_plain_computation(rendering):
    for drawn in generate(DatasetSpec(6, 2, 1, seed=11, rendering=conditions(rendering))):
        assert_within_a_level(drawn.image)


@pytest.mark.parametrize("size", [(260, 721), (500, 1100), (430, 1439), (350, 1441), (900, 2200), (800, 900)])
def test_so_it_is_for_large_images_and_such_with_wide_margins(signature, size):
    large = np.asarray(Image.fromarray(signature).resize(size[::-1], Image.Resampling.BICUBIC))
    noise = np.random.default_rng(0).normal(0, 2.0, large.shape)
    noisy = np.clip(large * 0.9 + noise, 0, 255).astype(np.uint8)
    assert_within_a_level(noisy)
    assert_within_a_level(np.pad(noisy, ((100, 40), (300, 7)), constant_values=230))
    assert_within_a_level(255 - noisy)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (1, 400), (23, 24), (64, 500)])
def test_so_it_is_for_tiny_images(shape):
    rng = np.random.default_rng(sum(shape))
    image = np.full(shape, 240, np.uint8)
    image[rng.random(shape) < 0.1] = 30
    assert_within_a_level(image)


@pytest.mark.parametrize("seed", range(6))
def test_pages_without_ink_are_told_alike(seed):
    rng = np.random.default_rng(seed)
    page = rng.uniform(90, 225) + rng.normal(0, rng.uniform(0.5, 10.0), (300, 500))
    assert_within_a_level(np.clip(page, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "shape",
    [(260, 721), (500, 1079), (480, 1080), (300, 1081), (720, 1440), (1000, 1001), (2, 1300), (300, 2000)],
)
def test_shrinking_is_pillows_box_filter(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(fast_shrunk(image, 720), shrunk(image))


def test_small_images_are_not_shrunk():
    image = np.zeros((300, 720), np.uint8)
    assert fast_shrunk(image, 720) is image


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 5), (40, 41)])
def test_percentiles_are_numpys(shape):
    shares = (0.0, 0.005, 0.3, 0.5, 0.75, 0.995, 1.0)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = levels.percentiles(grey_histogram(image), shares)
    np.testing.assert_allclose(found, np.percentile(image, [100 * share for share in shares]), rtol=1e-12)
    values = image.ravel().astype(np.float32) / 7
    found = [levels.percentile(values, share) for share in shares]
    np.testing.assert_allclose(found, np.percentile(values, [100 * share for share in shares]), rtol=1e-6)


@pytest.mark.parametrize("top", [1, 2, 30, 256])
def test_otsus_threshold_separates_best(top):
    image = np.random.default_rng(top).integers(0, top, (50, 60), dtype=np.uint8)
    found = levels.otsu(grey_histogram(image))
    np.testing.assert_allclose(found, otsu(image.astype(np.float32)), rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (9, 17), (100, 333), (360, 720), (720, 101)])
def test_paper_is_that_of_sorted_blocks(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert_paper_is_that_of_sorted_blocks(image)
    assert_paper_is_that_of_sorted_blocks(np.where(image < 40, image, 255).astype(np.uint8))
    image[: shape[0] // 4] = 7
    assert_paper_is_that_of_sorted_blocks(np.where(image < 10, image, 255).astype(np.uint8))


def assert_paper_is_that_of_sorted_blocks(image):
    shape = image.shape
    found = np.empty((shape[0] + 2, shape[1] + 2), np.float32)
    middle = (shape[0] + 2) // 2
    whole = Paper(image, 1)
    whole.rows(0, middle, found[:middle])
    whole.rows(middle, shape[0] + 2, found[middle:])
    expected = np.pad(paper(image.astype(np.float32)), 1, mode="edge")
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("start", "length", "size"),
    [(0.0, 300.0, 96), (-20.5, 350.25, 96), (60.2, 100.7, 192), (-5.0, 33.0, 192)],
)
def test_resampling_is_pillows_bilinear(start, length, size):
    image = np.zeros((300, 40), np.float32)
    image[50:200] = np.random.default_rng(0).random((150, 40)) * 255
    before, behind = max(0, -math.floor(start)) + 1, max(0, math.ceil(start + length) - 300) + 1
    page = Image.fromarray(np.pad(image, ((before, behind), (0, 0))))
    box = (0, start + before, 40, start + before + length)
    expected = page.resize((40, size), Image.Resampling.BILINEAR, box=box)
    found = Resampling(start, length, size, 300)(image[50:200], 50)
    np.testing.assert_allclose(found, np.asarray(expected), atol=2e-3)


def test_what_was_made_of_an_image_stays_when_the_next_one_is_preprocessed(signature):
    work = SynsigPreprocessor(statistics=True)
    stages = work.stages(signature)
    kept = {name: stage.copy() for name, stage in stages.items()}
    work(255 - signature[::-1, ::2])
    for name, stage in stages.items():
        np.testing.assert_array_equal(stage, kept[name])
