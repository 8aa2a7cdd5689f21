"""Calibrations: fits and bounds against lir and scikit-learn, rates by counting, files that are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.calibrating import ScoreSample, calibrate_references, fit_likelihood, supported_bounds
from sigzoo.interfaces.protocols import KINDS, Trials
from sigzoo.verification import Calibration, make_score, read_calibration, write_calibration
from sigzoo.verification.calibration import LEVELS, CalibrationSet, ReferenceCount


def sample(seed: int, shift: float = 0.0, size: int = 300) -> ScoreSample:
    rng = np.random.default_rng(seed)
    return ScoreSample(
        np.sort(rng.normal(1.0 + shift, 0.4, size)),
        {
            "skilled": np.sort(rng.normal(0.2 + shift, 0.5, size - 20)),
            "random": np.sort(rng.normal(-1.0 + shift, 0.3, size + 50)),
        },
    )


def calibration(counts: dict[int, ReferenceCount] | None = None, **changed: Any) -> Calibration:
    values: dict[str, Any] = {
        "format": 1,
        "model": "mine",
        "weights_sha256": "0" * 64,
        "preprocessor": "synsig",
        "preprocessor_options": {"statistics": True},
        "input_scale": 0.5,
        "made": "2026-11-27",
        "sigzoo_version": "0.1.0",
        "score": "mean",
        "score_options": {},
        "protocol": "drawn",
        "basis": [CalibrationSet(name="a", writers=3, genuine=9, forged=4, note="n")],
        "checked_on": [],
        "layer": "last",
        "layers": {"last": counts or {1: calibrate_references({"a": sample(0)})}},
    }
    return Calibration(**{**values, **changed})


def test_the_likelihood_model_is_that_of_lir_and_scikit_learn() -> None:
    lir_calibration = pytest.importorskip("lir.algorithms.logistic_regression")
    mine = sample(1)
    genuine, impostor = mine.genuine, mine.impostors["skilled"]
    model = fit_likelihood(genuine, impostor)
    scores = np.concatenate([genuine, impostor])
    truth = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    reference = lir_calibration.LogitCalibrator(C=1e8, tol=1e-10).fit(scores, truth)
    within = np.linspace(0.4, 0.9, 7)
    np.testing.assert_allclose(model.log10_lr(within), reference.transform(within), atol=1e-4)


def test_bounds_are_those_of_lir() -> None:
    bayes_error = pytest.importorskip("lir.algorithms.bayeserror")
    for seed in range(4):
        mine = sample(seed, size=100 + 150 * seed)
        for impostor in mine.impostors.values():
            model = fit_likelihood(mine.genuine, impostor)
            log10 = [model.slope * each + model.intercept for each in (mine.genuine, impostor)]
            truth = np.concatenate([np.ones(len(log10[0])), np.zeros(len(log10[1]))])
            low, high = bayes_error.elub(np.concatenate(log10), truth)
            np.testing.assert_allclose(supported_bounds(*log10), (low, high), atol=0.011)
            assert (model.low, model.high) == supported_bounds(*log10)


def test_rates_are_counted_on_the_set_that_was_left_out() -> None:
    a, b, other = sample(2), sample(3, 0.3), sample(4, -0.5)
    made = calibrate_references({"a": a, "b": b}, {"other": other})
    assert [(each.dataset, each.own) for each in made.rates] == [("a", False), ("b", False), ("other", False)]
    from_b = calibrate_references({"b": b})
    assert from_b.rates[0].own
    line = from_b.likelihood["skilled"].even
    on_a = made.rates[0]
    assert on_a.frr["skilled"] == sum(score < line for score in a.genuine) / len(a.genuine)
    forged = a.impostors["skilled"]
    assert on_a.far["skilled"] == sum(score >= line for score in forged) / len(forged)
    slope, intercept = from_b.likelihood["skilled"].slope, from_b.likelihood["skilled"].intercept
    bits = 0.0
    for scores, sign in ((a.genuine, -1), (forged, 1)):
        costs = []
        for score in scores:
            log10 = min(max(slope * score + intercept, from_b.likelihood["skilled"].low), 99)
            costs.append(math.log2(1 + 10 ** (sign * min(log10, from_b.likelihood["skilled"].high))))
        bits += sum(costs) / len(costs) / 2
    assert on_a.cllr["skilled"] == pytest.approx(bits)


def test_sets_weigh_the_same_whatever_their_size() -> None:
    small, large = sample(5, 0.0, 200), sample(5, 0.0, 4000)
    shifted = ScoreSample(small.genuine + 1, {kind: each + 1 for kind, each in small.impostors.items()})
    made = calibrate_references({"a": shifted, "b": large})
    middle = (np.median(shifted.genuine) + np.median(large.genuine)) / 2
    assert made.genuine[LEVELS.index(0.5)] == pytest.approx(middle, abs=0.05)


def test_draws_of_the_same_signatures_make_no_larger_sample() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat([KINDS.index(each) for each in ("genuine", "skilled")], [5, 4]).astype(np.int8)
    rows = np.arange(9)
    draws = [
        Trials(rng.normal(size=9), rows, np.zeros(9, np.int64), kinds, ("w",), (np.array([9]),))
        for _ in range(10)
    ]
    found = ScoreSample.of(draws)
    assert len(found.genuine) == 5
    assert len(found.impostors["skilled"]) == 4
    pooled = np.concatenate([each.scores[:5] for each in draws])
    assert np.median(found.genuine) == pytest.approx(np.median(pooled))


def test_thresholds_meet_their_rates() -> None:
    mine = sample(6, size=5000)
    made = calibrate_references({"a": mine})
    for far in (0.001, 0.01, 0.05, 0.37):
        line = made.threshold(far, "skilled")
        assert np.mean(mine.impostors["skilled"] >= line) == pytest.approx(far, abs=0.002)
        assert made.frr(line) == pytest.approx(np.mean(mine.genuine < line), abs=0.005)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    counts = {2: calibrate_references({"a": sample(0)}), 5: calibrate_references({"a": sample(1)})}
    made = calibration(counts, input_scale=1 / 255)
    write_calibration(path, made)
    found = read_calibration(path)
    assert found.basis == made.basis
    assert found.input_scale == 1 / 255
    number, count = found.for_references("last", 4) or (0, None)
    assert number == 2
    assert count is not None
    np.testing.assert_allclose(count.genuine, made.layers["last"][2].genuine, rtol=1e-6)
    assert found.for_references("last", 1) is None
    assert found.for_references("other", 4) is None
    assert (found.for_references("last", 900) or (0,))[0] == 5


@pytest.mark.parametrize("name", ["mean", "reference-norm", "as-norm"])
def test_a_file_gives_back_the_score_with_how_it_matches_local_descriptors(name: str, tmp_path: Path) -> None:
    score = make_score(
        name, part_weights=[(7, 0.3)], local={"first": 5, "size": (3, 4, 6), "reach": (0, 2), "weight": 1 / 3}
    )
    made = calibration(score=score.name, score_options=score.options)
    write_calibration(tmp_path / "c.json", made)
    found = read_calibration(tmp_path / "c.json")
    assert found.score_options == made.score_options
    again = make_score(found.score, **found.score_options)
    assert again == score
    features = np.random.default_rng(0).normal(size=(9, 5 + 3 * 4 * 6))
    one, other = (each(features[:3], features[3:5], features[5:]) for each in (score, again))
    np.testing.assert_array_equal(one, other)


def _broken(change: dict[str, Any]) -> bytes:
    data = msgspec.to_builtins(calibration(), str_keys=True)
    place = data
    *steps, last = next(iter(change)).split("/")
    for step in steps:
        place = place[step]
    place[last] = next(iter(change.values()))
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no calibration of format 1"),
        (b"[" * 100_000, "no calibration of format 1"),
        (b"\xff\xfe", "no calibration of format 1"),
        (b"x" * (4 << 20) + b"x", "larger than"),
        (_broken({"format": 2}), "no calibration of format 1"),
        (_broken({"surplus": 1}), "surplus"),
        (_broken({"layers/last/1/trials": {"genuine": 10**13, "skilled": 3, "random": 3}}), "trials"),
        (_broken({"layers/last/1/trials": {"genuine": 3}}), "trials"),
        (_broken({"layer": "first"}), "none of the calibrated layers"),
        (_broken({"layers/last/1/genuine": [0.0] * 5}), "quantiles"),
        (_broken({"layers/last/1/genuine": list(range(len(LEVELS)))[::-1]}), "do not rise"),
        (_broken({"layers/last/1/likelihood/skilled/slope": -1}), "slope above 0"),
        (_broken({"layers/last/1/likelihood": {}}), "the same kinds"),
        (
            _broken({"layers/last": {"0": msgspec.to_builtins(calibrate_references({"a": sample(0)}))}}),
            "1 or more",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        read_calibration(tmp_path / "none.json")


def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not finite"):
        write_calibration(tmp_path / "c.json", calibration(input_scale=math.inf))
    assert not list(tmp_path.iterdir())


def test_scores_that_cannot_be_calibrated_are_told() -> None:
    mine = sample(0)
    with pytest.raises(DataError, match="as high as genuine"):
        fit_likelihood(mine.impostors["random"], mine.genuine)
    with pytest.raises(DataError, match="needs a set"):
        calibrate_references({})
    with pytest.raises(DataError, match="needs impostors"):
        calibrate_references({"a": ScoreSample(mine.genuine, {})})
