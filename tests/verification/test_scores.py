"""Scores against their formulas written out with loops, and what they refuse."""

import numpy as np
import pytest

from sigzoo.errors import DataError, SigzooError, UnknownNameError, UsageError
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


def reference_normalised(references, q, cohort, weight, prior, pseudo_count):
    count = len(references)
    pairs = [cosine(references[i], references[j]) for i in range(count) for j in range(i)]
    own = ((count - 1) * np.mean(pairs) if pairs else 0.0) + pseudo_count * prior
    return mean(references, q, cohort) - weight * own / (count - 1 + pseudo_count)


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
        {"weight": 0.4, "prior": 0.6, "pseudo_count": 2.0},
        lambda r, q, c: reference_normalised(r, q, c, 0.4, 0.6, 2.0),
    ),
    ("z-norm", {}, z_norm),
    ("t-norm", {}, t_norm),
    ("s-norm", {}, lambda r, q, c: (z_norm(r, q, c) + t_norm(r, q, c)) / 2),
    ("as-norm", {"top": 5}, lambda r, q, c: adaptive(r, q, c, 5)),
]


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
    score = make_score(name)
    ready = score.prepare(np.concatenate([questioned, references]), cohort)
    asked, known = np.array([5, 0, 2]), np.array([9, 7])
    direct = score(references[[3, 1]], questioned[asked], cohort)
    assert score.compare(ready[known], ready[asked]) == pytest.approx(direct)
    assert len(score(references, questioned[:0], cohort)) == 0


@pytest.mark.parametrize("name", [name for name in SCORES if name != "euclidean"])
def test_the_length_of_features_does_not_matter(features, name):
    references, questioned, cohort = features
    score = make_score(name)
    longer = score(3.0 * references, 0.1 * questioned, 7.0 * cohort)
    assert longer == pytest.approx(score(references, questioned, cohort))


@pytest.mark.parametrize("name", SCORES)
def test_features_that_cannot_be_scored_are_refused(features, name):
    references, questioned, cohort = features
    score = make_score(name)
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
    score = make_score(name)
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
        ("reference-norm", {"pseudo_count": float("nan")}),
        ("mean-max", {"weight": 1.5}),
        ("as-norm", {"top": 1}),
    ],
)
def test_options_out_of_range_are_refused(name, options):
    with pytest.raises(UsageError):
        make_score(name, **options)


def test_names_that_there_are_not_are_refused():
    with pytest.raises(UnknownNameError, match="as-norm"):
        make_score("as-nrom")
    with pytest.raises(UnknownNameError, match="pseudo_count"):
        make_score("reference-norm", pseudo_cuont=1)


def test_more_references_move_the_own_similarity_from_the_prior_to_theirs(features):
    references, questioned, _ = features
    one = make_score("reference-norm", weight=0.5, prior=0.7)(references[:1], questioned)
    assert one == pytest.approx([cosine(references[0], q) - 0.35 for q in questioned])
    alike = np.repeat(references[:1], 50, axis=0)
    many = make_score("reference-norm", weight=0.5, prior=0.0)(alike, questioned)
    assert many == pytest.approx([cosine(references[0], q) - 0.5 * 49 / 50 for q in questioned])


def test_scores_are_what_the_interface_says():
    assert all(issubclass(each, Score) for each in SCORES.values())
    assert issubclass(DataError, SigzooError)
