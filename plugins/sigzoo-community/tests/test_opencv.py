"""OpenCV's filters: by their formulas, by scipy, and, where it is installed, by OpenCV itself."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from scipy import ndimage
from sigzoo_community.opencv import (
    adaptive_gaussian_threshold,
    gaussian_blur,
    median_blur,
    resize_area,
    resize_cubic,
)

SIZES = [(1, 1), (1, 9), (2, 3), (5, 2), (40, 61), (97, 130)]


def grey(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, size, dtype=np.uint8)


def blobs(size, seed=0):
    """Black and white, as a signature that was thresholded."""
    rough = np.random.default_rng(seed).random(size)
    smooth = ndimage.gaussian_filter(rough, 2)
    return np.where(smooth > np.median(smooth), np.uint8(255), np.uint8(0))


@pytest.mark.parametrize("size", SIZES)
def test_the_median_is_scipys(size):
    image = grey(size)
    np.testing.assert_array_equal(median_blur(image), ndimage.median_filter(image, 3, mode="nearest"))


@pytest.mark.parametrize(("side", "weights"), [(3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])])
def test_the_blur_is_that_of_scipy_rounded_half_up(side, weights):
    image = grey((40, 61)).astype(float)
    for axis in (0, 1):
        image = ndimage.correlate1d(image, np.array(weights) / sum(weights), axis, mode="mirror")
    np.testing.assert_array_equal(gaussian_blur(grey((40, 61)), side), np.floor(image + 0.5))


def test_the_adaptive_threshold_compares_with_a_gaussian_mean():
    image = blobs((60, 80)) // 2 + grey((60, 80), 1) // 2
    weights = np.array([exp(-(place**2) / 8) for place in range(-5, 6)])  # sigma 2 for 11 pixels
    mean = image.astype(float)
    for axis in (0, 1):
        mean = ndimage.correlate1d(mean, weights / weights.sum(), axis, mode="nearest")
    clear = np.abs(mean % 1 - 0.5) > 1e-3
    expected = image.astype(float) - np.rint(mean) > -2
    np.testing.assert_array_equal(adaptive_gaussian_threshold(image, 11, 2)[clear], expected[clear])
    assert clear.mean() > 0.9


@pytest.mark.parametrize(
    ("size", "small"),
    [((97, 130), (64, 85)), ((300, 512), (150, 256)), ((96, 96), (32, 32)), ((50, 70), (50, 41))],
)
def test_shrinking_is_the_mean_of_the_area_that_a_pixel_covers(size, small):
    image = grey(size)
    exact = cover(size[0], small[0]) @ image.astype(float) @ cover(size[1], small[1]).T
    found = resize_area(image, small)
    assert np.abs(found - exact).max() < 0.5 + 1e-4


def cover(length, short):
    """Share of each pixel in each cell, by their bounds."""
    scale = length / short
    table = np.zeros((short, length))
    for cell in range(short):
        for pixel in range(length):
            shared = min(pixel + 1, (cell + 1) * scale) - max(pixel, cell * scale)
            table[cell, pixel] = max(0.0, shared) / scale
    return table


@pytest.mark.parametrize(
    ("size", "large"), [((97, 130), (191, 256)), ((128, 128), (256, 256)), ((40, 1), (256, 6))]
)
def test_enlarging_is_cubic_convolution(size, large):
    image = grey(size)
    exact = convolution(size[0], large[0]) @ image.astype(float) @ convolution(size[1], large[1]).T
    assert np.abs(resize_cubic(image, large) - np.clip(exact, 0, 255)).max() < 0.5 + 1e-4


def convolution(length, long):
    """Keys' kernel, a = -0.75, at the distances of all pixels; those outside are the border's."""

    def kernel(d):
        d = abs(d)
        if d <= 1:
            return 1.25 * d**3 - 2.25 * d**2 + 1
        return -0.75 * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0

    table = np.zeros((long, length))
    for cell in range(long):
        centre = (cell + 0.5) * length / long - 0.5
        for pixel in range(-3, length + 3):
            table[cell, min(max(pixel, 0), length - 1)] += kernel(centre - pixel)
    return table


def test_opencv_itself_gives_the_same():
    cv2 = pytest.importorskip("cv2")
    for seed in range(12):
        rng = np.random.default_rng(seed)
        size = tuple(int(side) for side in rng.integers(20, 500, 2))
        image, binary = grey(size, seed), blobs(size, seed)
        np.testing.assert_array_equal(median_blur(image), cv2.medianBlur(image, 3))
        for side in (3, 5):
            np.testing.assert_array_equal(
                gaussian_blur(image, side), cv2.GaussianBlur(image, (side, side), 0)
            )
        white = cv2.adaptiveThreshold(image, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 11, 2)
        assert (adaptive_gaussian_threshold(image, 11, 2) != (white == 255)).mean() < 1e-3
        small = max(1, size[0] // 3), max(1, int(size[1] / 1.7))
        shrunk = cv2.resize(binary, small[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(resize_area(binary, small), shrunk)
        large = size[0] * 2 + 1, int(size[1] * 1.3)
        enlarged = cv2.resize(binary, large[::-1], interpolation=cv2.INTER_CUBIC)
        # A build without IPP, as on ARM, rounds the weights.
        assert np.abs(resize_cubic(binary, large).astype(int) - enlarged).max() <= 1
