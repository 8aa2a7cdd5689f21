"""Both preprocessings, pixel for pixel, against scipy, Pillow and scikit-image used as published."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sigzoo_signet.preprocessing import SigNet2017, Sigver
from skimage import filters, transform

from sigzoo.interfaces import ImageError, SigzooWarning

COUNT = 288
"""Generated images for each preprocessing: 16 of each of the 18 kinds."""


def exact_otsu(image):
    """First threshold of the largest variance between the classes, in whole numbers."""
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
    return best


def centred(image, ink, threshold, canvas):
    """The published steps 2 to 4: box, centre of mass, canvas, background."""
    rows, columns = np.where(ink)
    if rows.size == 0:
        raise ValueError("no pixel is ink: the published program fails")
    centre = int(rows.mean() - rows.min()), int(columns.mean() - columns.min())
    crop = image[rows.min() : rows.max(), columns.min() : columns.max()]
    where = []
    for axis in range(2):
        length, room = crop.shape[axis], canvas[axis]
        start = room // 2 - centre[axis]
        if length > room:
            crop = np.moveaxis(crop, axis, 0)[(length - room) // 2 :][:room]
            crop, start, length = np.moveaxis(crop, 0, axis), 0, room
        else:
            start = max(start - max(start + length - room, 0), 0)
        where.append(slice(start, start + length))
    page = np.full(canvas, 255, np.uint8)
    page[tuple(where)] = crop
    page[page > threshold] = 255
    return 255 - page


def resized_and_cut(page, size, resize):
    """The published step 5: cover the size, then the middle; `resize` does the resampling."""
    ratios = [page.shape[axis] / size[axis] for axis in range(2)]
    axis = 1 if ratios[1] > ratios[0] else 0
    shape = [round(page.shape[side] / ratios[1 - axis]) if side == axis else size[side] for side in range(2)]
    start = round((shape[axis] - size[axis]) / 2.0)
    return resize(page, tuple(shape)).take(range(start, start + size[axis]), axis=axis)


def imresize(page, shape):
    """``scipy.misc.imresize`` of a float image, bilinear, written out.

    The rows first and then the columns, as every Pillow of that time did; Pillow 13 takes tall
    canvases the other way round, which rounds differently.
    """
    data = page.astype(np.float32)
    low, high = data.min(), data.max()
    scale = np.float32(255) / np.float32(high - low or 1)
    levels = ((data - low) * scale).clip(0, 255) + np.float32(0.5)
    image = Image.fromarray(levels.astype(np.uint8))
    narrow = image.resize((shape[1], page.shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(narrow.resize(shape[::-1], Image.Resampling.BILINEAR))


def skimage_resize(page, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        resized = transform.resize(page, shape, mode="constant", anti_aliasing=True, preserve_range=True)
    return resized.astype(np.uint8)


def published_2017(image, canvas):
    smoothed = ndimage.gaussian_filter(image, 2)
    threshold = exact_otsu(smoothed)
    page = centred(image, smoothed <= threshold, threshold, canvas)
    return resized_and_cut(page, (170, 242), imresize)


def published_sigver(image, canvas):
    smoothed = filters.gaussian(image, 2, preserve_range=True)
    threshold = filters.threshold_otsu(image)
    page = centred(image, smoothed <= threshold, threshold, canvas)
    return resized_and_cut(page, (170, 242), skimage_resize)


@pytest.mark.parametrize(
    ("preprocessor", "published"), [(SigNet2017, published_2017), (Sigver, published_sigver)]
)
@pytest.mark.filterwarnings("ignore::sigzoo.errors.SigzooWarning")
def test_no_pixel_differs_from_the_published_steps_on_generated_images(preprocessor, published, specimens):
    compared, failing = 0, []
    for specimen in specimens(COUNT):
        image, levels = specimen.image, np.unique(specimen.image).size
        if levels < 2:
            continue
        if levels == 2 and preprocessor is Sigver:
            # Two levels go our own way, also where sigver gives a result: its box is then only the
            # inside of the thickest blob. What they give instead is specified in test_preprocessing.
            continue
        try:
            expected = published(image, specimen.canvas)
        except ValueError:
            failing.append(specimen)  # no smoothed pixel is ink: the published program fails
            continue
        got = preprocessor(canvas=specimen.canvas, size=None)(image)
        assert (got == expected).all(), f"{(got != expected).sum()} pixels differ: {specimen}"
        network = preprocessor(canvas=specimen.canvas)(image)
        assert (network == expected[10:160, 11:231]).all(), f"the crop differs: {specimen}"
        compared += 1
    assert compared >= 200
    for specimen in failing:
        try:
            stages = preprocessor(canvas=specimen.canvas).stages(specimen.image)
        except ImageError:
            continue
        assert stages["centred"].any(), f"nothing left of {specimen}"


@pytest.mark.parametrize(
    ("preprocessor", "name"), [(SigNet2017, "processed_py3"), (Sigver, "processed_sigver")]
)
def test_the_published_example_gives_the_published_image(preprocessor, name, golden):
    image = np.asarray(Image.open(golden / "some_signature.png").convert("L"))
    assert (preprocessor()(image) == np.load(golden / f"{name}.npy")).all()


@pytest.mark.parametrize("preprocessor", [SigNet2017, Sigver])
@pytest.mark.parametrize(
    "canvas", [(1, 1), (3, 40), (40, 3), (100, 100), (170, 242), (171, 700), (2000, 300)]
)
def test_any_canvas_is_resized_as_published(preprocessor, canvas, specimens):
    published = published_2017 if preprocessor is SigNet2017 else published_sigver
    for specimen in specimens(2):
        with pytest.warns(SigzooWarning):
            got = preprocessor(canvas=canvas, size=(170, 242))(specimen.image)
        assert (got == published(specimen.image, canvas)).all()
