"""What both preprocessings promise beside exactness: options, stages, hard images, errors."""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage
from sigzoo_signet import smoothing
from sigzoo_signet.canvas import CANVASES
from sigzoo_signet.otsu import otsu_opencv, otsu_skimage
from sigzoo_signet.preprocessing import SigNet2017, Sigver
from skimage import filters

from sigzoo.imaging import grey_histogram
from sigzoo.interfaces import ImageError, SigzooWarning, UsageError

BOTH = pytest.mark.parametrize("preprocessor", [SigNet2017, Sigver])


@pytest.fixture(scope="module")
def scan(specimens):
    """An ordinary scan of a signature."""
    return next(specimens(1)).image


def two_levels(dark, light, pen=5):
    """A binarised stroke, `pen` pixels thick, that goes round a corner."""
    image = np.full((120, 260), light, np.uint8)
    image[30 : 30 + pen, 40:200] = dark
    image[30:90, 200 - pen : 200] = dark
    return image


@BOTH
def test_the_default_is_the_canvas_and_the_size_of_the_published_networks(preprocessor, scan):
    assert preprocessor().canvas == (952, 1360)
    assert preprocessor().output_size == (150, 220)
    assert preprocessor()(scan).shape == (150, 220)
    assert preprocessor()(scan).dtype == np.uint8


@BOTH
@pytest.mark.parametrize("name", CANVASES)
def test_a_canvas_can_be_named_after_its_data_set(preprocessor, name, scan):
    assert (preprocessor(canvas=name)(scan) == preprocessor(canvas=list(CANVASES[name]))(scan)).all()


@BOTH
def test_the_network_size_is_the_centre_of_the_training_size(preprocessor, scan):
    training = preprocessor(size=None)(scan)
    assert training.shape == preprocessor(size=None).output_size == (170, 242)
    assert (preprocessor(size=[170, 242])(scan) == training).all()
    assert (preprocessor(size=(150, 220))(scan) == training[10:160, 11:231]).all()
    assert (preprocessor(size=(101, 51))(scan) == training[34:135, 95:146]).all()


@BOTH
def test_the_stages_are_the_pictures_of_the_published_notebook(preprocessor, scan):
    before = scan.copy()
    stages = preprocessor()(scan), preprocessor().stages(scan)
    assert list(stages[1]) == ["original", "centred", "resized", "cropped"]
    assert [picture.shape for picture in stages[1].values()] == [
        scan.shape,
        (952, 1360),
        (170, 242),
        (150, 220),
    ]
    assert (stages[1]["original"] == scan).all()
    assert (stages[1]["cropped"] == stages[0]).all()
    assert (stages[1]["resized"][10:160, 11:231] == stages[0]).all()
    assert (scan == before).all()


@BOTH
def test_the_centre_of_mass_of_the_ink_lies_on_the_middle_of_the_canvas(preprocessor):
    image = two_levels(20, 240)
    rows, columns = np.nonzero(preprocessor(canvas=(300, 500)).stages(image)["centred"])
    assert abs(rows.mean() - 150) < 5
    assert abs(columns.mean() - 250) < 5


@BOTH
def test_a_signature_larger_than_its_canvas_loses_its_margins_with_a_warning(preprocessor, scan):
    with pytest.warns(SigzooWarning, match="exceeds the canvas of 40 x 50"):
        result = preprocessor(canvas=(40, 50))(scan)
    assert result.shape == (150, 220)
    with pytest.warns(SigzooWarning, match="exceeds the canvas"):
        preprocessor(canvas=(40, 50)).stages(scan)


@BOTH
def test_read_only_and_cut_out_images_are_taken(preprocessor, scan):
    wide = np.full((scan.shape[0], 2 * scan.shape[1]), 9, np.uint8)
    wide[:, ::2] = scan
    fixed = scan.copy()
    fixed.setflags(write=False)
    expected = preprocessor()(scan)
    for image in (wide[:, ::2], np.asfortranarray(scan), fixed):
        assert (preprocessor()(image) == expected).all()


@BOTH
def test_one_preprocessor_serves_many_threads_and_can_be_sent_to_processes(preprocessor, specimens):
    images = [specimen.image for specimen in specimens(6) if "larger" not in specimen.kind]
    one = preprocessor()
    expected = [one(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(one, images * 3))
    assert all((image == wanted).all() for image, wanted in zip(got, expected * 3, strict=True))
    assert (pickle.loads(pickle.dumps(one))(images[0]) == expected[0]).all()


def test_smoothing_is_scipys_pixel_for_pixel(specimens):
    for specimen in specimens(36):
        expected = ndimage.gaussian_filter(specimen.image, 2)
        assert (smoothing.truncating_smooth(specimen.image) == expected).all()


@pytest.mark.parametrize("make", [np.zeros, np.ones])
def test_the_buffers_of_an_image_never_show_in_the_next(make):
    rng = np.random.default_rng(0)
    for height, width in [(300, 500), (40, 30), (1, 200), (97, 17), (299, 501), (96, 16), (33, 1)]:
        image = rng.integers(0, 256, (height, width), dtype=np.uint8)
        smoothing.truncating_smooth(255 * make((310, 505), np.uint8))
        assert (smoothing.truncating_smooth(image) == ndimage.gaussian_filter(image, 2)).all()
        expected = filters.gaussian(image, 2, preserve_range=True) <= 120
        assert (smoothing.smoothed_at_most(image, 120) == expected).all()


@BOTH
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_an_image_of_one_level_holds_no_ink(preprocessor, level):
    with pytest.raises(ImageError, match="no ink"):
        preprocessor()(np.full((60, 90), level, np.uint8))
    with pytest.raises(ImageError, match="no ink"):
        preprocessor().stages(np.full((60, 90), level, np.uint8))


def test_noise_that_smoothing_removes_is_no_ink_in_2017():
    image = np.full((60, 90), 255, np.uint8)
    image[30, 40] = 254
    image[:, 60:] = 254
    assert SigNet2017()(image).shape == (150, 220)
    page = np.full((60, 90), 100, np.uint8)
    page[30, 40] = 101
    with pytest.raises(ImageError, match="no ink"):
        SigNet2017()(page)


@BOTH
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5)),
        np.full((5, 5), np.nan),
        np.zeros((5, 5), np.int16),
        np.zeros((5, 5, 3), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((0, 5), np.uint8),
        [[0, 255]],
        None,
    ],
)
def test_what_is_no_grey_image_is_refused_with_what_was_expected(preprocessor, image):
    with pytest.raises(ImageError, match=r"expected a grey image: a numpy array, uint8 \(height, width\)"):
        preprocessor()(image)


@BOTH
@pytest.mark.parametrize(
    "canvas",
    [(0, 100), (100, -1), (100,), (1, 2, 3), (100.5, 200), (True, True), 100, None, "12x12", [None, 5]],
)
def test_a_canvas_that_is_none_is_refused(preprocessor, canvas):
    with pytest.raises(UsageError, match="canvas"):
        preprocessor(canvas=canvas)


@BOTH
@pytest.mark.parametrize("canvas", [(10**7, 10**7), (10_000, 20_001), (200_000_001, 1)])
def test_a_canvas_beyond_200_million_pixels_is_refused_with_the_limit(preprocessor, canvas):
    with pytest.raises(UsageError, match=rf"canvas {canvas[0]} x {canvas[1]} .*at most 200 million"):
        preprocessor(canvas=canvas)


def test_an_unknown_canvas_name_brings_the_nearest_and_all_of_them():
    with pytest.raises(UsageError, match=r"Did you mean cedar\?.*gpds \(952, 1360\).*brazilian"):
        Sigver(canvas="ceder")


@BOTH
@pytest.mark.parametrize("size", [(171, 200), (150, 243), (0, 5), "150x220", (150,)])
def test_a_size_that_cannot_be_cut_is_refused(preprocessor, size):
    with pytest.raises(UsageError, match="size"):
        preprocessor(size=size)


LEVELS = pytest.mark.parametrize(("dark", "light"), [(0, 255), (80, 255), (0, 1), (100, 101), (37, 201)])


@LEVELS
@pytest.mark.parametrize("pen", [1, 3, 30])
def test_on_two_levels_sigver_keeps_every_ink_pixel_but_the_last_row_and_column(dark, light, pen):
    image = two_levels(dark, light, pen)
    stages = Sigver(canvas=(200, 400)).stages(image)
    rows, columns = np.nonzero(image == dark)
    box = image[rows.min() : rows.max(), columns.min() : columns.max()]
    top, left = (int(side // 2 - int(at.mean() - at.min())) for side, at in ((200, rows), (400, columns)))
    expected = np.zeros((200, 400), np.uint8)
    expected[top : top + box.shape[0], left : left + box.shape[1]] = np.where(box == dark, 255 - dark, 0)
    assert (stages["centred"] == expected).all()
    assert stages["cropped"].any() or dark > 90


@pytest.mark.parametrize("blob", [15, 40])
def test_on_two_levels_thin_strokes_beside_a_blob_are_not_cut_off(blob):
    image = np.full((200, 420), 255, np.uint8)
    image[100:102, 20:400] = 0
    image[102:160, 200:202] = 0
    image[60 : 60 + blob, 40 : 40 + blob] = 0
    image[158:161, 190:230] = 0
    image[90:110, 399:401] = 0
    # sigver's box: none beside 15 pixels of ink, the inside of the blob where there are 40.
    smoothed = filters.gaussian(image, 2, preserve_range=True) <= filters.threshold_otsu(image)
    rows, columns = np.nonzero(smoothed)
    assert (blob == 15) == (rows.size == 0)
    if rows.size:
        assert rows.max() < 60 + blob
        assert columns.max() < 40 + blob
    ink = np.count_nonzero(image == 0)
    dropped = np.count_nonzero(image[160] == 0) + np.count_nonzero(image[:, 400] == 0)
    assert np.count_nonzero(Sigver(canvas=(300, 600)).stages(image)["centred"]) == ink - dropped


def test_binarised_signatures_of_mixed_pens_keep_99_percent_of_their_ink(specimens):
    compared = 0
    for specimen in specimens(180):
        height, width = specimen.image.shape
        if height < 150 or "scanned" not in specimen.kind:
            continue
        image = np.where(specimen.image <= filters.threshold_otsu(specimen.image), 20, 230).astype(np.uint8)
        image[height // 2 : height // 2 + 15, width // 2 : width // 2 + 15] = 20
        kept = Sigver(canvas=(height, width)).stages(image)["centred"]
        assert np.count_nonzero(kept) >= 0.99 * np.count_nonzero(image == 20), str(specimen)
        compared += 1
    assert compared >= 15


def test_strokes_that_smoothing_lifts_above_sigvers_threshold_are_still_found():
    image = np.full((100, 200), 250, np.uint8)
    image[50, 20:180] = 0
    image[20:80, 100] = 10
    image[10, 10] = 240
    centred = Sigver(canvas=(200, 400)).stages(image)["centred"]
    assert np.count_nonzero(centred) > 150


def refusal(preprocessor, image):
    """Why an image is to be refused, found with the tools of the published programs; None if it is not."""
    if image.min() == image.max():
        return "holds no ink: all its"
    if preprocessor is SigNet2017:
        smoothed = ndimage.gaussian_filter(image, 2)
        return "one grey level once smoothed" if smoothed.min() == smoothed.max() > 0 else None
    threshold = filters.threshold_otsu(image)
    if len(np.unique(image)) > 2 and (filters.gaussian(image, 2, preserve_range=True) <= threshold).any():
        return None
    dark = image <= threshold
    rows, columns = np.nonzero(image <= (image[dark].mean() + image[~dark].mean()) / 2)
    inside = image[rows.min() : rows.max(), columns.min() : columns.max()]
    return None if (inside <= threshold).any() else "single row or column"


@BOTH
@pytest.mark.filterwarnings("ignore::sigzoo.errors.SigzooWarning")
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (2, 2), (3, 3), (17, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_images_give_a_result_or_are_refused_for_lack_of_ink(preprocessor, shape, seed):
    image = np.random.default_rng(seed).integers(0, 256 if seed % 2 else 2, shape, dtype=np.uint8)
    reason = refusal(preprocessor, image)
    if reason is None:
        assert preprocessor()(image).shape == (150, 220)
    else:
        with pytest.raises(ImageError, match=reason):
            preprocessor()(image)


@BOTH
def test_ink_in_one_row_gives_the_published_blank_image_and_says_so(preprocessor):
    image = np.linspace(0, 255, 300).astype(np.uint8)[None, :]
    with pytest.warns(SigzooWarning, match="nothing of the ink is left"):
        assert not preprocessor()(image).any()


def test_a_single_pixel_of_ink_is_no_signature_to_sigver():
    image = np.full((60, 90), 255, np.uint8)
    image[30, 40] = 0
    with pytest.raises(ImageError, match="single row or column"):
        Sigver()(image)
    assert SigNet2017()(image).any()


@BOTH
@pytest.mark.parametrize("border", [0, 90, 255])
def test_borders_and_inverted_contrast_give_a_result(preprocessor, border, scan):
    framed = np.pad(scan, 15, constant_values=border)
    for image in (framed, 255 - framed, 255 - scan):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SigzooWarning)
            assert preprocessor()(image).any()


def test_both_thresholds_separate_two_clear_classes():
    image = np.repeat(np.array([[30, 40, 200, 210]], np.uint8), 5, axis=0)
    counts = grey_histogram(image)
    assert counts.sum() == image.size
    assert 40 <= otsu_opencv(counts) < 200
    threshold, halfway = otsu_skimage(counts)
    assert 40 <= threshold < 200
    assert halfway == 120.0
