"""Calibration and cost of likelihood ratios against lir, scikit-learn and the formulas written out."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from sigzoo.errors import DataError
from sigzoo.evaluation.likelihood_ratios import (
    AffineCalibration,
    IsotonicCalibration,
    cllr,
    cllr_min,
    cross_calibrated,
    ece_curve,
    tippett,
)


def scores(seed, digits=6, genuine=70, impostor=110):
    rng = np.random.default_rng(seed)
    return rng.normal(1.5, 1.0, genuine).round(digits), rng.normal(0, 1.2, impostor).round(digits)


@pytest.mark.parametrize("seed", range(3))
def test_cllr_is_the_formula_written_out(seed):
    genuine, impostor = scores(seed)
    cost = sum(np.log2(1 + 1 / 10**value) for value in genuine) / len(genuine) / 2
    cost += sum(np.log2(1 + 10**value) for value in impostor) / len(impostor) / 2
    assert cllr(genuine, impostor) == pytest.approx(cost, rel=1e-12)


def test_ratios_without_evidence_cost_a_bit_and_perfect_ones_nothing():
    assert cllr([0.0] * 4, [0.0] * 9) == pytest.approx(1.0)
    assert cllr([np.inf] * 4, [-np.inf] * 9) == 0.0
    assert cllr([-np.inf], [0.0]) == np.inf


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [1, 6])
def test_lir_gives_the_same_costs(seed, digits):
    metrics = pytest.importorskip("lir.metrics")
    models = pytest.importorskip("lir.data.models")
    genuine, impostor = scores(seed, digits)
    labels = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))].astype(int)
    data = models.LLRData(features=np.r_[genuine, impostor][:, None], labels=labels)
    assert cllr(genuine, impostor) == pytest.approx(metrics.cllr(data), rel=1e-9)
    assert cllr_min(genuine, impostor) == pytest.approx(metrics.cllr_min(data), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_affine_calibration_is_balanced_logistic_regression(seed):
    genuine, impostor = scores(seed)
    x = np.r_[genuine, impostor][:, None]
    y = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    other = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-12, max_iter=10_000).fit(x, y)
    found = AffineCalibration.fit(genuine, impostor)
    assert found.slope == pytest.approx(other.coef_[0, 0] / np.log(10), rel=1e-4)
    assert found.intercept == pytest.approx(other.intercept_[0] / np.log(10), rel=1e-4)
    assert cllr(found.log10_lr(genuine), found.log10_lr(impostor)) < cllr(genuine, impostor)


def test_affine_calibration_of_scores_that_do_not_overlap_stays_finite():
    found = AffineCalibration.fit([2.0, 3.0], [0.0, 1.0])
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.log10_lr(2.0) > 0 > found.log10_lr(1.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [0, 1, 6])
def test_isotonic_calibration_is_scikit_learns(seed, digits):
    genuine, impostor = scores(seed, digits)
    x, y = np.r_[genuine, impostor], np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    weight = np.where(y == 1, 1 / len(genuine), 1 / len(impostor))
    share = IsotonicRegression().fit(x, y, weight).predict(x)
    with np.errstate(divide="ignore"):
        wanted = np.log10(share / (1 - share))
    found = IsotonicCalibration.fit(genuine, impostor)
    np.testing.assert_allclose(found.log10_lr(x), wanted, atol=1e-9)
    grid = found.log10_lr(np.linspace(-6, 6, 500))
    assert (np.diff(grid[np.isfinite(grid)]) >= -1e-12).all()


def test_no_calibration_that_keeps_the_order_is_cheaper_than_the_minimum():
    genuine, impostor = scores(4)
    least = cllr_min(genuine, impostor)
    assert cllr_min(np.exp(genuine), np.exp(impostor)) == pytest.approx(least)
    fitted = AffineCalibration.fit(genuine, impostor)
    assert least <= cllr(fitted.log10_lr(genuine), fitted.log10_lr(impostor)) <= 1.0


def test_each_writer_is_calibrated_on_the_others():
    rng = np.random.default_rng(0)
    genuine, impostor = rng.normal(1, 1, 60), rng.normal(0, 1, 120)
    own, claimed = np.repeat(np.arange(12), 5), np.repeat(np.arange(12), 10)
    found = cross_calibrated(genuine, own, impostor, claimed, folds=5)
    for writer in range(12):
        out_g, out_i = own % 5 != writer % 5, claimed % 5 != writer % 5
        fitted = AffineCalibration.fit(genuine[out_g], impostor[out_i])
        np.testing.assert_allclose(found[0][own == writer], fitted.log10_lr(genuine[own == writer]))
        np.testing.assert_allclose(found[1][claimed == writer], fitted.log10_lr(impostor[claimed == writer]))
    assert cross_calibrated(genuine, own % 9, impostor, claimed % 9) is None


def test_tippett_curves_are_shares_counted_by_hand():
    genuine, impostor = scores(2, 1)
    curves = tippett(genuine, impostor)
    for at, g, i in zip(curves.log10_lr, curves.genuine, curves.impostor, strict=True):
        assert g == pytest.approx(np.mean(genuine >= at))
        assert i == pytest.approx(np.mean(impostor >= at))


def test_ece_is_the_cross_entropy_of_the_posterior():
    genuine, impostor = scores(3)
    odds = np.linspace(-2, 2, 9)
    found, reference = ece_curve(genuine, impostor, odds)
    for ece, none, o in zip(found, reference, odds, strict=True):
        prior = 10**o / (1 + 10**o)
        yes = [1 / (1 + 10 ** -(value + o)) for value in genuine]
        no = [1 / (1 + 10 ** (value + o)) for value in impostor]
        assert ece == pytest.approx(-prior * np.mean(np.log2(yes)) - (1 - prior) * np.mean(np.log2(no)))
        assert none == pytest.approx(-prior * np.log2(prior) - (1 - prior) * np.log2(1 - prior))
    assert found[4] == pytest.approx(cllr(genuine, impostor))


@pytest.mark.parametrize("fit", [AffineCalibration.fit, IsotonicCalibration.fit, cllr])
def test_scores_that_are_none_are_refused(fit):
    with pytest.raises(DataError, match="got 0 and 1"):
        fit([], [1.0])
    with pytest.raises(DataError, match="NaN"):
        fit([np.nan], [1.0])
