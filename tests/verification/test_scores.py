"""Scores against their formulas written out with loops, and what they refuse."""

import json

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sigzoo.errors import DataError, SigzooError, UnknownNameError, UsageError
from sigzoo.verification.plda import PldaArrays, learn_plda
from sigzoo.verification.scores import DEFAULT_SCORE, SCORES, Score, make_score


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def z_norm(references, q, cohort):
    against = [np.mean([cosine(r, c) for r in references]) for c in cohort]
    return (mean(references, q, cohort) - np.mean(against)) / np.std(against)


def t_norm(references, q, cohort):
    against = [cosine(q, c) for c in cohort]
    return (mean(references, q, cohort) - np.mean(against)) / np.std(against)


def adaptive(references, q, cohort, top):
    z = sorted(np.mean([cosine(r, c) for r in references]) for c in cohort)[-top:]
    t = sorted(cosine(q, c) for c in cohort)[-top:]
    raw = mean(references, q, cohort)
    return ((raw - np.mean(z)) / np.std(z) + (raw - np.mean(t)) / np.std(t)) / 2


def mean(references, q, cohort):
    return np.mean([cosine(r, q) for r in references])


def centroid(references, q, cohort):
    return cosine(sum(r / np.sqrt(r @ r) for r in references), q)


def own_similarities(references, prior, pseudo_count):
    found = []
    for i, one in enumerate(references):
        others = [cosine(one, each) for j, each in enumerate(references) if j != i]
        found.append((sum(others) + pseudo_count * prior) / (len(others) + pseudo_count))
    return found


def reference_normalised(references, q, weight, sharpness, prior, pseudo_count):
    own = own_similarities(references, prior, pseudo_count)
    beyond = [cosine(r, q) - weight * o for r, o in zip(references, own, strict=True)]
    return np.log(np.mean([np.exp(sharpness * each) for each in beyond])) / sharpness


def logistic(references, q, coefficients):
    cosines = [cosine(r, q) for r in references]
    own = np.mean(own_similarities(references, 0.6, 2.0))
    return np.dot(coefficients, [np.mean(cosines), max(cosines), min(cosines), own, 1.0])


PLDA = PldaArrays(
    np.random.default_rng(0).normal(size=9) / 5, np.eye(9)[:, 2:6] * 3, np.array([3.0, 2.0, 1.0, 0.2])
)


def plda(references, q, cohort):
    """The joint densities of all signatures as one vector, without posteriors."""
    rows = [PLDA.transform.T @ (each / np.sqrt(each @ each) - PLDA.mean) for each in [*references, q]]
    ratio = 0.0
    for place, variance in enumerate(PLDA.between):
        values, count = np.array([row[place] for row in rows]), len(rows)
        one = np.eye(count) + variance
        two = one.copy()
        two[-1, :-1] = two[:-1, -1] = 0.0
        ratio += multivariate_normal.logpdf(values, cov=one) - multivariate_normal.logpdf(values, cov=two)
    return ratio


FORMULAS = [
    ("mean", {}, mean),
    ("max", {}, lambda r, q, c: max(cosine(each, q) for each in r)),
    ("min", {}, lambda r, q, c: min(cosine(each, q) for each in r)),
    (
        "mean-max",
        {"weight": 0.3},
        lambda r, q, c: 0.7 * mean(r, q, c) + 0.3 * max(cosine(each, q) for each in r),
    ),
    ("centroid", {}, centroid),
    ("euclidean", {}, lambda r, q, c: -np.mean([np.sqrt(sum((each - q) ** 2)) for each in r])),
    (
        "reference-norm",
        {"weight": 0.4, "sharpness": 5.0, "prior": 0.6, "pseudo_count": 2.0},
        lambda r, q, c: reference_normalised(r, q, 0.4, 5.0, 0.6, 2.0),
    ),
    (
        "logistic",
        {"coefficients": (3.0, 2.0, 1.0, -4.0, 0.5), "prior": 0.6, "pseudo_count": 2.0},
        lambda r, q, c: logistic(r, q, [3.0, 2.0, 1.0, -4.0, 0.5]),
    ),
    ("plda", {"arrays": PLDA}, plda),
    ("z-norm", {}, z_norm),
    ("t-norm", {}, t_norm),
    ("s-norm", {}, lambda r, q, c: (z_norm(r, q, c) + t_norm(r, q, c)) / 2),
    ("as-norm", {"top": 5}, lambda r, q, c: adaptive(r, q, c, 5)),
]


NEEDED = {"plda": {"arrays": PLDA}}
"""Options without which a score cannot be made."""


@pytest.fixture
def features():
    rng = np.random.default_rng(4)
    centre = rng.normal(size=9)
    return centre + rng.normal(size=(4, 9)), centre + rng.normal(size=(6, 9)), rng.normal(size=(20, 9))


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(("name", "options", "formula"), FORMULAS, ids=[each[0] for each in FORMULAS])
def test_a_score_is_its_formula(features, name, options, formula, count):
    references, questioned, cohort = features
    found = make_score(name, **options)(references[:count], questioned, cohort)
    assert found.dtype == np.float64
    assert found == pytest.approx([formula(references[:count], q, cohort) for q in questioned])


def test_every_score_is_compared_with_its_formula():
    assert {name for name, _, _ in FORMULAS} == set(SCORES)
    assert all(name == each.name for name, each in SCORES.items())
    assert make_score().name == DEFAULT_SCORE


@pytest.mark.parametrize("name", SCORES)
def test_what_is_prepared_once_scores_as_what_is_handed_in(features, name):
    references, questioned, cohort = features
    score = make_score(name, **NEEDED.get(name, {}))
    ready = score.prepare(np.concatenate([questioned, references]), cohort)
    asked, known = np.array([5, 0, 2]), np.array([9, 7])
    direct = score(references[[3, 1]], questioned[asked], cohort)
    assert score.compare(ready[known], ready[asked]) == pytest.approx(direct)
    assert len(score(references, questioned[:0], cohort)) == 0


@pytest.mark.parametrize("name", [name for name in SCORES if name != "euclidean"])
def test_the_length_of_features_does_not_matter(features, name):
    references, questioned, cohort = features
    score = make_score(name, **NEEDED.get(name, {}))
    longer = score(3.0 * references, 0.1 * questioned, 7.0 * cohort)
    assert longer == pytest.approx(score(references, questioned, cohort))


@pytest.mark.parametrize("name", SCORES)
def test_features_that_cannot_be_scored_are_refused(features, name):
    references, questioned, cohort = features
    score = make_score(name, **NEEDED.get(name, {}))
    broken, zero = questioned.copy(), questioned.copy()
    broken[2, 1], zero[3] = np.nan, 0.0
    with pytest.raises(DataError, match="at least one reference"):
        score(references[:0], questioned, cohort)
    with pytest.raises(DataError, match="different size"):
        score(references[:, :5], questioned, cohort[:, :5])
    with pytest.raises(DataError, match="questioned features hold NaN or infinity .first in row 2."):
        score(references, broken, cohort)
    with pytest.raises(DataError, match=r"shape \(9,\)"):
        score(references[0], questioned, cohort)
    if name != "euclidean":
        with pytest.raises(DataError, match="questioned features hold a row of zeros .row 3."):
            score(references, zero, cohort)


@pytest.mark.parametrize("name", [name for name, each in SCORES.items() if each.needs_cohort])
def test_a_cohort_that_is_missing_or_does_not_fit_is_refused(features, name):
    references, questioned, cohort = features
    score = make_score(name, **NEEDED.get(name, {}))
    with pytest.raises(DataError, match="cohort: features of other writers"):
        score(references, questioned)
    with pytest.raises(DataError, match="at least 2"):
        score(references, questioned, cohort[:1])
    with pytest.raises(DataError, match="different size"):
        score(references, questioned, cohort[:, :4])
    same = score(references, questioned, np.repeat(cohort[:1], 4, axis=0))
    assert np.isfinite(same).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reference-norm", {"weight": -1}),
        ("reference-norm", {"weight": "much"}),
        ("reference-norm", {"sharpness": -1}),
        ("mean", {"part_weights": [(3, -1.0)]}),
        ("mean", {"part_weights": [(3, 1.0), (2, 1.0)]}),
        ("mean", {"part_weights": [3]}),
        ("logistic", {"coefficients": (1.0, 2.0)}),
        ("plda", {}),
        ("reference-norm", {"pseudo_count": float("nan")}),
        ("mean-max", {"weight": 1.5}),
        ("as-norm", {"top": 1}),
        ("as-norm", {"top": 2.5}),
    ],
)
def test_options_out_of_range_are_refused(name, options):
    with pytest.raises(UsageError):
        make_score(name, **options)


@pytest.mark.parametrize("name", [name for name in SCORES if name != "plda"])
def test_a_score_is_made_again_from_its_options(name):
    score = make_score(name, part_weights=[(3, 0.5)])
    kept = json.loads(json.dumps(score.options))
    assert kept["part_weights"] == [[3, 0.5]]
    assert make_score(name, **kept) == score


def test_names_that_there_are_not_are_refused():
    with pytest.raises(UnknownNameError, match="as-norm"):
        make_score("as-nrom")
    with pytest.raises(UnknownNameError, match="pseudo_count"):
        make_score("reference-norm", pseudo_cuont=1)


def test_more_references_move_the_own_similarity_from_the_prior_to_theirs(features):
    references, questioned, _ = features
    options = {"weight": 0.5, "sharpness": 0.0, "pseudo_count": 1.0}
    one = make_score("reference-norm", prior=0.7, **options)(references[:1], questioned)
    assert one == pytest.approx([cosine(references[0], q) - 0.35 for q in questioned])
    alike = np.repeat(references[:1], 50, axis=0)
    many = make_score("reference-norm", prior=0.0, **options)(alike, questioned)
    assert many == pytest.approx([cosine(references[0], q) - 0.5 * 49 / 50 for q in questioned])


def test_the_soft_maximum_goes_from_the_mean_to_the_maximum(features):
    references, questioned, _ = features
    softly = [
        make_score("reference-norm", weight=0.0, sharpness=each)(references, questioned)
        for each in (0.0, 1e-6, 8.0, 1e5)
    ]
    assert softly[0] == pytest.approx(make_score("mean")(references, questioned))
    assert softly[1] == pytest.approx(softly[0], abs=1e-5)
    assert softly[3] == pytest.approx(make_score("max")(references, questioned), abs=1e-4)
    assert (softly[0] < softly[2]).all()
    assert (softly[2] < softly[3]).all()


def test_parts_of_features_weigh_as_they_are_told_to(features):
    references, questioned, _ = features
    factors = np.array([1.0] * 4 + [0.5] * 3 + [2.0] * 2)
    weighed = make_score("mean", part_weights=[[4, 0.25], [7, 4]])
    by_hand = make_score("mean")(references * factors, questioned * factors)
    assert weighed(references, questioned) == pytest.approx(by_hand)
    assert weighed(references[:, :4], questioned[:, :4]) == pytest.approx(
        make_score("mean")(references[:, :4], questioned[:, :4])
    )
    assert weighed == make_score("mean", part_weights=((4, 0.25), (7, 4.0)))
    with pytest.raises(DataError, match="zeros"):
        make_score("mean", part_weights=[(0, 0)])(references, questioned)


def writers_of(rng, count, each, within, between):
    """Signatures of many writers, around centres; a long constant part, so that lengths vary little."""
    centres = rng.normal(size=(count, len(between))) * np.sqrt(between)
    rows = np.repeat(centres, each, axis=0) + rng.normal(size=(count * each, len(between))) * np.sqrt(within)
    return np.column_stack([rows, np.full(len(rows), 200.0)]), np.repeat(np.arange(count), each)


def test_plda_finds_the_covariances_that_features_were_drawn_with():
    within, between = np.array([1.0, 0.5, 2.0, 1.0]), np.array([9.0, 1.0, 0.5, 0.0])
    features, who = writers_of(np.random.default_rng(1), 4000, 5, within, between)
    found = learn_plda(features, who, components=3, shrinkage=0.01)
    assert found.between == pytest.approx([9.0, 2.0, 0.25], rel=0.1, abs=0.05)
    score = make_score("plda", arrays=found)
    genuine = score(features[:1], features[1:5])
    impostors = score(features[:1], features[5:])
    assert genuine.mean() > 0 > impostors.mean()


def test_plda_is_kept_in_a_file_and_other_files_are_refused(tmp_path, features):
    references, questioned, _ = features
    PLDA.save(tmp_path / "plda.npz")
    kept = make_score("plda", arrays=str(tmp_path / "plda.npz"))(references, questioned)
    assert kept == pytest.approx(make_score("plda", arrays=PLDA)(references, questioned), abs=0.02)
    good = {"mean": np.zeros(9), "transform": np.zeros((9, 2)), "between": np.ones(2)}
    for wrong, word in [
        ({"between": None}, "between is missing"),
        ({"transform": np.zeros((2, 9))}, "no PLDA"),
        ({"mean": np.full(9, np.nan)}, "finite"),
        ({"between": -np.ones(2)}, "below 0"),
    ]:
        arrays = {key: value for key, value in {**good, **wrong}.items() if value is not None}
        np.savez(tmp_path / "wrong.npz", **arrays)
        with pytest.raises(DataError, match=word):
            make_score("plda", arrays=str(tmp_path / "wrong.npz"))


def test_what_plda_cannot_learn_from_is_refused():
    rows = np.random.default_rng(2).normal(size=(6, 4))
    for writers, word in [([0] * 6, "1 writers"), (range(6), "at most 1"), ([0, 1], "writers of 2")]:
        with pytest.raises(DataError, match=word):
            learn_plda(rows, list(writers))
    with pytest.raises(UsageError, match="shrinkage"):
        learn_plda(rows, [0, 0, 1, 1, 2, 2], shrinkage=2.0)
    with pytest.raises(DataError, match="shrinkage above 0"):
        learn_plda(rows, [0, 0, 1, 1, 2, 2], shrinkage=0.0)


def test_scores_are_what_the_interface_says():
    assert all(issubclass(each, Score) for each in SCORES.values())
    assert issubclass(DataError, SigzooError)
