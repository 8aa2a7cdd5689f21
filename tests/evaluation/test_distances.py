"""Distances against scipy, in the cases where the usual shortcut loses all digits."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sigzoo.errors import DataError
from sigzoo.evaluation.distances import cosine_similarity, distances


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_euclidean_distances_agree_with_scipy(dtype):
    rng = np.random.default_rng(0)
    a, b = (10 * rng.normal(size=(n, 33)) for n in (7, 5))
    a, b = a.astype(dtype), b.astype(dtype)
    result = distances(a, b)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, cdist(a, b), rtol=1e-6)


def test_near_features_far_from_the_origin_have_accurate_distances():
    rng = np.random.default_rng(1)
    a = (1000 + 1e-3 * rng.normal(size=(6, 2048))).astype(np.float32)
    np.testing.assert_allclose(distances(a), cdist(a.astype(np.float64), a.astype(np.float64)), rtol=1e-6)


def test_a_set_with_itself_has_a_zero_diagonal_and_is_symmetric():
    table = distances(np.random.default_rng(2).normal(size=(20, 64)))
    assert (np.diag(table) == 0).all()
    np.testing.assert_array_equal(table, table.T)


def test_cosines_agree_with_scipy_and_stay_within_one():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(9, 17)).astype(np.float32)
    np.testing.assert_allclose(cosine_similarity(a), 1 - cdist(a, a, "cosine"), atol=1e-6)
    assert np.abs(cosine_similarity(np.concatenate([a, 3 * a]))).max() <= 1.0


def test_a_feature_of_length_zero_is_similar_to_nothing():
    assert cosine_similarity(np.array([[0.0, 0.0], [1.0, 2.0]]))[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros(3), None, r"shape \(3,\)"),
        (np.zeros((2, 3)), np.zeros((2, 4)), "3 and 4"),
        (np.array([[1.0], [np.nan]]), None, "row 1"),
        (np.array([["a"]]), None, "dtype"),
        ([[None]], None, "dtype"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, message):
    with pytest.raises(DataError, match=message):
        distances(a, b)
