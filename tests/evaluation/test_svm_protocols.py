"""The protocols with SVMs against scikit-learn's pipeline written out, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sigzoo.errors import DataError, UsageError
from sigzoo.evaluation.svm import Moments, SvmOptions, fit_machine
from sigzoo.evaluation.writer_dependent import WriterDependent
from sigzoo.evaluation.writer_independent import WriterIndependent
from sigzoo.interfaces.protocols import FeatureSet, Signatures


def made(writers=6, genuine=8, forged=3, dim=10, seed=0, prefix="w"):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(writers, dim))
    rows = [centres[w] + 0.6 * rng.normal(size=(genuine, dim)) for w in range(writers)]
    lies = [0.7 * centres[w] + 0.6 * rng.normal(size=(forged, dim)) for w in range(writers)]
    features = np.concatenate([np.concatenate(pair) for pair in zip(rows, lies, strict=True)])
    names = [f"{prefix}{w:02}" for w in range(writers) for _ in range(genuine + forged)]
    labels = [k >= genuine for _ in range(writers) for k in range(genuine + forged)]
    return features, Signatures(names, names, labels)


def small(**options):
    return WriterDependent(references=4, genuine_for_test=3, draws=2, replicates=10, **options)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("gamma", [2.0**-11, 0.3, "auto"])
def test_a_machine_is_scikit_learns_pipeline(kernel, gamma):
    rng = np.random.default_rng(3)
    rows = np.maximum(rng.normal(size=(60, 12)) + np.linspace(0, 2, 60)[:, None], 0)
    rows[:, 4] = 3.0
    positive = np.arange(60) > 45
    other = make_pipeline(
        StandardScaler(with_mean=False),
        SVC(C=2.0, kernel=kernel, gamma=1 / 12 if gamma == "auto" else gamma, class_weight={1: 3.0}),
    ).fit(rows, np.where(positive, 1, -1))
    machine = fit_machine(SvmOptions(kernel, 2.0, gamma), rows, positive, positive_weight=3.0)
    asked = rng.normal(size=(40, 12))
    np.testing.assert_allclose(machine.decide(asked), other.decision_function(asked), atol=1e-6)


def test_deviations_are_scikit_learns_however_the_rows_are_joined():
    rng = np.random.default_rng(1)
    rows = 1e3 + rng.normal(size=(50, 6))
    rows[:, 2] = 0.1
    rows[:, 3] = 0.0
    wanted = StandardScaler(with_mean=False).fit(rows).scale_
    joined = Moments.of(rows[:7]) + Moments.of(rows[7:])
    np.testing.assert_allclose(Moments.of(rows).scale(), wanted)
    np.testing.assert_allclose(joined.scale(), wanted, rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"kernel": "linear"}, {"skilled_in_training": 1}])
def test_every_writers_scores_are_those_of_an_svm_written_out(options):
    features, known = made()
    trials = small(**options).trials(features, known)[0]
    identity = np.array(known.identity)
    for place, name in enumerate(trials.identities):
        mine = trials.claimed == place
        tested = trials.questioned[mine]
        own = trials.references[place]
        assert len(own) == 4
        assert (identity[own] == name).all()
        negatives = np.concatenate([rows for other, rows in enumerate(trials.references) if other != place])
        if options.get("skilled_in_training"):
            forged = np.flatnonzero((identity == name) & known.forged)
            held = np.setdiff1d(forged, tested)
            assert len(held) == 1
            negatives = np.concatenate([negatives, held])
        x = features[np.concatenate([own, negatives])]
        y = np.r_[np.ones(4), -np.ones(len(negatives))]
        svm = SVC(
            C=1.0,
            gamma=2.0**-11,
            kernel=options.get("kernel", "rbf"),
            class_weight={1: len(negatives) / 4},
            tol=1e-6,
        )
        machine = make_pipeline(StandardScaler(with_mean=False), svm).fit(x, y)
        wanted = machine.decision_function(features[tested])
        np.testing.assert_allclose(trials.scores[mine], wanted, atol=5e-3)


@pytest.mark.parametrize("kind", [WriterDependent, WriterIndependent])
def test_nobody_tested_is_learnt_from_where_there_are_development_writers(kind):
    features, known = made(8)
    learnt = {"genuine_for_train": 4} if kind is WriterIndependent else {"from_development": 4}
    protocol = kind(references=4, genuine_for_test=3, draws=1, development_writers=3, **learnt)
    changed = features.copy()
    others = np.array(known.identity) >= "w05"
    trials = protocol.trials(features, known)[0]
    assert trials.identities == ("w00", "w01", "w02", "w03", "w04")
    assert not others[trials.questioned].any()
    changed[others & np.array(known.forged)] += 5.0  # forgeries of development writers are not looked at
    np.testing.assert_array_equal(protocol.trials(changed, known)[0].scores, trials.scores)
    changed[others] += 5.0
    assert not np.array_equal(protocol.trials(changed, known)[0].scores, trials.scores)


@pytest.mark.parametrize("kind", [WriterDependent, WriterIndependent])
def test_a_set_of_its_own_teaches_like_the_last_writers(kind):
    features, known = made(8)
    learnt = {"genuine_for_train": 4} if kind is WriterIndependent else {"from_development": 4}
    options = {"references": 4, "genuine_for_test": 3, "draws": 2, **learnt}
    last = np.array(known.identity) >= "w05"

    def part(chosen):
        names = [name for name, one in zip(known.identity, chosen, strict=True) if one]
        return Signatures(names, names, list(np.array(known.forged)[chosen]))

    inside = kind(development_writers=3, **options).trials(features, known)
    outside = kind(**options).trials(features[~last], part(~last), FeatureSet(features[last], part(last)))
    for a, b in zip(inside, outside, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)


def test_without_development_writers_each_part_is_tested_with_what_the_others_teach():
    features, known = made(10)
    protocol = WriterIndependent(references=4, genuine_for_train=4, genuine_for_test=3, draws=1, folds=5)
    trials = protocol.trials(features, known)[0]
    assert sorted(trials.identities) == sorted(set(known.identity))
    part = np.array([int(name[1:]) % 5 for name in trials.identities])
    asked = np.array([int(known.identity[row][1:]) % 5 for row in trials.questioned])
    assert (part[trials.claimed] == asked).all()


@pytest.mark.parametrize("fusion", ["max", "mean", "median", "min"])
def test_pairs_are_scored_and_fused_as_written_out(fusion):
    features, known = made(8)
    options = {"references": 4, "genuine_for_train": 8, "genuine_for_test": 3, "draws": 1}
    protocol = WriterIndependent(fusion=fusion, development_writers=4, **options)
    trials = protocol.trials(features, known)[0]
    alone = WriterIndependent(fusion=fusion, development_writers=4, **{**options, "references": 1})
    assert alone.trials(features, known)[0].scores.shape
    # Each reference alone, with the machine of the same draw, gives what is fused.
    machine = _machine(protocol, features, known)
    fused = {"max": np.max, "mean": np.mean, "median": np.median, "min": np.min}[fusion]
    for score, row, place in zip(trials.scores, trials.questioned, trials.claimed, strict=True):
        pairs = [np.abs(features[row] - features[own]) for own in trials.references[place]]
        assert score == pytest.approx(fused([machine.decide(pair[None])[0] for pair in pairs]), abs=1e-9)


def _machine(protocol, features, known):
    """The machine that the first draw learns: the generator is where the splits leave it."""
    from sigzoo.evaluation.development import Developing

    names = sorted(set(known.identity))
    genuine = {
        name: np.flatnonzero((np.array(known.identity) == name) & ~np.array(known.forged)) for name in names
    }
    rng = np.random.RandomState(protocol.seed)
    for name in names[:4]:
        rng.shuffle(genuine[name].copy())
    return protocol._learn(Developing(features, {name: genuine[name] for name in names[4:]}), rng)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "poly"}, "rbf, linear or similarity"),
        ({"C": 0.0}, "C must be"),
        ({"gamma": -1.0}, "gamma must be"),
        ({"references": 0}, "references must be"),
        ({"from_others": 13}, "12 references"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        WriterDependent(**options)


def test_who_has_too_few_signatures_is_said_with_how_many():
    features, known = made(genuine=8)
    with pytest.raises(DataError, match=r"takes 22 genuine .* 0 of 6 have \(w05 has 8"):
        WriterDependent().measure(features, known)
    with pytest.raises(DataError, match=r"at least 2 writers .* 1 of 1 have"):
        WriterIndependent(references=2, genuine_for_train=2, genuine_for_test=2).measure(*made(1))
    with pytest.raises(DataError, match="from_development=14 takes that many"):
        small(development_writers=2).measure(features, known)
    with pytest.raises(UsageError, match="exclude each other"):
        small(development_writers=2).trials(features, known, FeatureSet(features, known))
    with pytest.raises(UsageError, match="needs development writers"):
        small(from_development=3).measure(features, known)
    with pytest.raises(UsageError, match="no negatives"):
        small(from_others=0).measure(features, known)
    with pytest.raises(DataError, match="development set has 3 features"):
        small().trials(features, known, FeatureSet(features[:, :3], known))


def test_without_forgeries_only_random_ones_are_measured():
    features, known = made(forged=0)
    assert set(small().measure(features, known)) == {"random"}


def test_identities_of_one_person_are_not_each_others_negatives():
    features, known = made(6)
    person = [f"p{int(name[1:]) // 2}" for name in known.identity]
    trials = small().trials(features, replace(known, writer=person))[0]
    random = trials.of("random")
    asked = np.array(person)[trials.questioned[random]]
    claimed = np.array([f"p{int(name[1:]) // 2}" for name in trials.identities])[trials.claimed[random]]
    assert random.any()
    assert (asked != claimed).all()


def test_the_published_gamma_is_the_default_and_a_similarity_has_its_own():
    assert WriterDependent().gamma == 2.0**-11
    assert WriterDependent(kernel="similarity").gamma == 2.0
    assert WriterDependent(kernel="similarity", gamma=0.5).gamma == 0.5
