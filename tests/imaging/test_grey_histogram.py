"""The histogram of grey levels counts what a loop counts."""

from collections import Counter

import numpy as np
import pytest

from sigzoo.imaging import grey_histogram


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 41), (363, 361), (361, 363), (2, 65_537), (400, 700)])
@pytest.mark.parametrize("part", ["all", "some"])
def test_each_level_is_counted(shape, part):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if part == "some":
        image = np.minimum(image, 40)[::-1, ::2]
    counted = Counter(image.ravel().tolist())
    counts = grey_histogram(image)
    assert counts.dtype == np.int64
    assert counts.tolist() == [counted[level] for level in range(256)]


def test_an_image_that_may_not_be_written_is_counted_too():
    image = np.zeros((500, 500), np.uint8)
    image.setflags(write=False)
    assert grey_histogram(image)[0] == image.size
