"""The preprocessing: the same signature looks the same however it was taken."""

import numpy as np
import pytest
from PIL import Image
from sigzoo_students.preprocessing import SynsigPreprocessor

from sigzoo.interfaces import ImageError, UsageError


@pytest.fixture(scope="module")
def preprocess() -> SynsigPreprocessor:
    return SynsigPreprocessor()


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two results after a little blur."""
    blurred = [np.asarray(Image.fromarray(x).resize((64, 32), Image.Resampling.BOX), float) for x in (a, b)]
    return float(np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1])


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def test_the_result_is_ink_bright_on_black_in_the_middle(preprocess, signature):
    canvas = preprocess(signature)
    assert canvas.dtype == np.uint8
    assert canvas.shape == preprocess.output_size == (96, 192)
    assert np.median(canvas) == 0
    assert canvas.max() == 255
    rows, columns = np.nonzero(canvas > 100)
    assert abs((rows.min() + rows.max()) / 2 - 47.5) < 4
    assert abs((columns.min() + columns.max()) / 2 - 95.5) < 6
    assert np.ptp(columns) > 160 or np.ptp(rows) > 80


def test_the_last_stage_is_the_result_and_the_image_stays_untouched(preprocess, signature):
    before = signature.copy()
    stages = preprocess.stages(signature)
    assert list(stages) == ["located", "ink", "canvas"]
    assert all(stage.dtype == np.uint8 for stage in stages.values())
    np.testing.assert_array_equal(stages["canvas"], preprocess(signature))
    np.testing.assert_array_equal(signature, before)


def bars(width: int, length: int = 200, grey: int = 40, apart: int = 30) -> np.ndarray:
    """Four horizontal bars of a known width, length and grey on white paper."""
    image = np.full((4 * (width + apart), length + 40), 255, np.uint8)
    for number in range(4):
        top = number * (width + apart) + apart // 2
        image[top : top + width, 20 : 20 + length] = grey
    return image


@pytest.mark.parametrize(
    ("width", "length", "grey"), [(3, 200, 40), (6, 200, 40), (3, 400, 120), (8, 300, 0)]
)
def test_the_statistics_are_the_length_width_and_darkness_of_the_ink(width, length, grey):
    """Columns cross each of four bars once: runs = 4 * length, area / runs = width."""
    found = SynsigPreprocessor(statistics=True)(bars(width, length, grey))
    assert found.shape == (99, 192)
    assert (np.ptp(found[96:], axis=1) == 0).all()
    levels = found[96:, 0].astype(float)
    np.testing.assert_allclose(levels[0], 255 / 12 * np.log(4 * length), atol=1.0)
    np.testing.assert_allclose(levels[1], 255 / 6 * (np.log(width) + 1), atol=1.0)
    np.testing.assert_allclose(levels[2], 255 - grey, atol=1.0)


def test_the_statistics_count_the_pixels_of_the_image_however_large_it_is():
    small = bars(12, 800, apart=100)
    large = np.kron(small, np.ones((4, 4), np.uint8))
    one, other = (
        SynsigPreprocessor(statistics=True)(image)[96:, 0].astype(float) for image in (small, large)
    )
    np.testing.assert_allclose(other - one, [255 / 12 * np.log(4), 255 / 6 * np.log(4), 0.0], atol=3.0)


@pytest.mark.parametrize("negative", [False, True])
def test_ink_is_black_in_a_scan_of_black_and_white_however_far_it_is_shrunk(negative):
    thin = bars(2, 2500, grey=0, apart=100)
    work = SynsigPreprocessor(statistics=True)
    scan = 255 - thin if negative else thin
    assert (work(scan)[98] == 255).all()
    scan[0, 0] ^= 1  # of many levels
    assert (work(scan)[98] < 225).all()


def test_the_picture_is_the_same_with_statistics_and_without(preprocess, signature):
    full = SynsigPreprocessor(statistics=True)
    assert full.output_size == (99, 192)
    stages = full.stages(signature)
    assert list(stages) == ["located", "ink", "canvas", "statistics"]
    np.testing.assert_array_equal(stages["canvas"], preprocess(signature))
    np.testing.assert_array_equal(full(signature)[:96], preprocess(signature))


@pytest.mark.parametrize("factor", [0.4, 0.7, 2.0, 5.0])
def test_resolution_hardly_matters(preprocess, signature, factor):
    assert likeness(preprocess(signature), preprocess(resized(signature, factor))) > 0.9


def test_two_level_images_work(preprocess, signature):
    two = np.where(signature > 160, 255, 0).astype(np.uint8)
    assert likeness(preprocess(signature), preprocess(two)) > 0.95


def test_photographed_paper_is_taken_away(preprocess, signature):
    height, width = signature.shape
    light = np.linspace(0.45, 0.85, width) + np.linspace(-0.08, 0.08, height)[:, None]
    noise = np.random.default_rng(0).normal(0, 2.0, signature.shape)
    photograph = np.clip(signature * light + noise, 0, 255).astype(np.uint8)
    assert likeness(preprocess(signature), preprocess(photograph)) > 0.95


def test_bright_ink_on_a_dark_ground_is_turned(preprocess, signature):
    assert likeness(preprocess(signature), preprocess(255 - signature)) > 0.98


def test_faint_pencil_is_strengthened(preprocess, signature):
    faint = (255 - (255 - signature.astype(float)) * 0.25).astype(np.uint8)
    assert likeness(preprocess(signature), preprocess(faint)) > 0.95


def test_white_margins_do_not_matter(preprocess, signature):
    page = np.full((1200, 1500), 252, np.uint8)
    page[500 : 500 + signature.shape[0], 300 : 300 + signature.shape[1]] = signature
    assert likeness(preprocess(signature), preprocess(page)) > 0.9


def test_an_image_of_sixteen_megapixels_works(preprocess, signature):
    large = np.asarray(Image.fromarray(signature).resize((5000, 3200)))
    assert preprocess(large).max() == 255


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 400), (400, 1)])
def test_the_tiniest_images_work_or_raise_an_image_error(preprocess, shape):
    image = np.full(shape, 255, np.uint8)
    image[tuple(side // 2 for side in shape)] = 0
    try:
        result = preprocess(image)
    except ImageError:
        return
    assert result.shape == (96, 192)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_page_of_one_level_holds_no_ink(preprocess, level):
    with pytest.raises(ImageError, match="no ink"):
        preprocess(np.full((300, 500), level, np.uint8))


@pytest.mark.parametrize("seed", range(12))
def test_a_noisy_shaded_blank_page_holds_no_ink(preprocess, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(40, 700, 2)
    slope = rng.uniform(-30, 30, 2)
    page = slope[0] * np.linspace(-1, 1, width) + slope[1] * np.linspace(-1, 1, height)[:, None]
    page = page + rng.uniform(90, 225) + rng.normal(0, rng.uniform(0.5, 10.0), (height, width))
    with pytest.raises(ImageError, match="no ink"):
        preprocess(np.clip(page, 0, 255).astype(np.uint8))


def test_what_is_no_grey_image_is_refused(preprocess):
    for wrong in (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), "file.png"):
        with pytest.raises(ImageError, match="grey image"):
            preprocess(wrong)


def test_options(signature):
    assert SynsigPreprocessor(canvas=(64, 64))(signature).shape == (64, 64)
    for options in ({"canvas": (4, 4)}, {"margin": 0.5}, {"tail": -0.1}):
        with pytest.raises(UsageError):
            SynsigPreprocessor(**options)
