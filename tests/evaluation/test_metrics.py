"""Equal error rates against scikit-learn's ROC curve and counting by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from sigzoo.errors import DataError
from sigzoo.evaluation.metrics import (
    Scores,
    area_under_curve,
    det_curve,
    equal_error,
    error_rates,
    published_threshold,
    threshold_at_far,
)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [1, 6])
def test_the_rates_lie_on_the_roc_curve_where_they_are_closest(seed, digits):
    rng = np.random.default_rng(seed)
    genuine, impostor = rng.normal(1, 1, 60).round(digits), rng.normal(0, 1, 90).round(digits)
    found = equal_error(genuine, impostor)
    far, tpr, _ = roc_curve([1] * 60 + [0] * 90, np.r_[genuine, impostor], drop_intermediate=False)
    frr = 1 - tpr
    best = np.abs(far - frr).min()
    assert abs(found.far - found.frr) == pytest.approx(best, abs=1e-12)
    candidates = (far + frr)[np.isclose(np.abs(far - frr), best)] / 2
    assert np.abs(candidates - found.eer).min() < 1e-12
    assert found.far == pytest.approx((impostor >= found.threshold).mean())
    assert found.frr == pytest.approx((genuine < found.threshold).mean())


def test_separated_scores_have_no_error_and_swapped_ones_nothing_else():
    assert equal_error([0.8, 0.9], [0.1, 0.2]).eer == 0.0
    assert equal_error([0.1, 0.2], [0.8, 0.9]).eer == 1.0


def test_equal_scores_cannot_be_told_apart():
    assert equal_error([0.5] * 4, [0.5] * 3).eer == 0.5


def test_weights_count_like_repetitions():
    rng = np.random.default_rng(8)
    genuine, impostor = rng.normal(1, 1, 30), rng.normal(0, 1, 40)
    gw, iw = rng.integers(0, 4, 30), rng.integers(0, 4, 40)
    weighted = Scores(genuine, impostor).equal_error(gw, iw)
    repeated = equal_error(np.repeat(genuine, gw), np.repeat(impostor, iw))
    assert weighted.eer == pytest.approx(repeated.eer, abs=1e-12)


@pytest.mark.parametrize(("genuine", "impostor"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_missing_and_undefined_scores_are_refused(genuine, impostor):
    with pytest.raises(DataError):
        equal_error(genuine, impostor)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("digits", [1, 6])
def test_areas_and_curves_are_scikit_learns(seed, digits):
    rng = np.random.default_rng(seed)
    genuine, impostor = rng.normal(1, 1, 40).round(digits), rng.normal(0, 1, 70).round(digits)
    labels, both = [1] * 40 + [0] * 70, np.r_[genuine, impostor]
    assert area_under_curve(genuine, impostor) == pytest.approx(roc_auc_score(labels, both))
    far, tpr, thresholds = roc_curve(labels, both, drop_intermediate=False)
    found = det_curve(genuine, impostor)
    np.testing.assert_allclose(found[0][::-1], thresholds)
    np.testing.assert_allclose(found[1][::-1], far, atol=1e-12)
    np.testing.assert_allclose(found[2][::-1], 1 - tpr, atol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_the_published_threshold_is_the_one_of_the_published_formula(seed):
    rng = np.random.default_rng(seed)
    genuine = rng.normal(1, 1, rng.integers(1, 12)).round(1 + seed % 3)
    impostor = rng.normal(0, 1, rng.integers(1, 30)).round(1 + seed % 3)
    labels = [1] * len(genuine) + [-1] * len(impostor)
    far, tpr, thresholds = roc_curve(labels, np.r_[genuine, impostor])
    gaps = [abs(f - (1 - t)) for f, t in zip(far, tpr, strict=True)]
    assert published_threshold(genuine, impostor) == thresholds[gaps.index(min(gaps))]


def test_rates_at_a_threshold_are_shares():
    assert error_rates([1, 2, 3, 4], [0, 1, 2], 2) == (0.25, pytest.approx(1 / 3))


@pytest.mark.parametrize("far", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_a_threshold_accepts_no_more_impostors_than_it_may(far):
    impostor = np.random.default_rng(1).normal(size=250).round(2)
    found = threshold_at_far(impostor, far)
    assert np.mean(impostor >= found) <= far
    lower = impostor[impostor < found]
    if len(lower):
        assert np.mean(impostor >= lower.max()) > far
