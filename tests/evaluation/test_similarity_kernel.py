"""SVMs on the similarity of a score: against scikit-learn and NumPy, and what they refuse."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from sigzoo.errors import DataError, UnknownNameError, UsageError
from sigzoo.evaluation.kernels import SimilarityKernel
from sigzoo.evaluation.run import ProtocolChoice, evaluate
from sigzoo.evaluation.writer_dependent import WriterDependent
from sigzoo.interfaces.protocols import FeatureSet, Signatures
from sigzoo.verification.scores import make_score

LOCAL = {"first": 4, "size": [3, 2, 5], "reach": [1, 2], "weight": 1.5}


def drawn(writers=5, genuine=8, forged=3, seed=0, columns=4 + 30):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(writers, columns))
    rows = [centres[w] + 0.7 * rng.normal(size=(genuine + forged, columns)) for w in range(writers)]
    names = [f"w{w:02}" for w in range(writers) for _ in range(genuine + forged)]
    return np.concatenate(rows), Signatures(
        names, names, [k >= genuine for _ in range(writers) for k in range(genuine + forged)]
    )


def matched(a, b):
    """Local similarity of two maps (3, 2, 5): all cells with all, those out of reach struck out."""
    y, x = np.divmod(np.arange(10), 5)
    near = (np.abs(y[:, None] - y) <= 1) & (np.abs(x[:, None] - x) <= 2)
    one, other = a.reshape(3, 10), b.reshape(3, 10)
    lengths = np.linalg.norm(one, axis=0)[:, None] * np.linalg.norm(other, axis=0)
    cosines = np.where(near, one.T @ other / lengths, -9.0)
    here = np.average(cosines.max(axis=1), weights=(one**2).sum(axis=0))
    there = np.average(cosines.max(axis=0), weights=(other**2).sum(axis=0))
    return (here + there) / 2


def kernel_written_out(features, gamma, local=None):
    """exp(-gamma * d^2) of every pair."""
    first = 4 if local else features.shape[1]
    unit = features[:, :first] / np.linalg.norm(features[:, :first], axis=1, keepdims=True)
    similarity = unit @ unit.T
    if local:
        maps = features[:, 4:].reshape(len(features), 3, 2, 5)
        similarity = (similarity + 1.5 * np.array([[matched(a, b) for b in maps] for a in maps])) / 2.5
    return np.exp(-gamma * (2.0 - 2.0 * similarity))


@pytest.mark.parametrize("local", [None, LOCAL])
def test_the_kernel_is_that_of_all_pairs_written_out(local):
    features, known = drawn()
    learnt = np.flatnonzero(~np.array(known.forged))
    asked = np.random.default_rng(1).permutation(len(features))
    kernel = SimilarityKernel(make_score(local=local), features, learnt, 0.7)
    wanted = kernel_written_out(features, 0.7, local)
    np.testing.assert_allclose(
        kernel.matrix(asked, learnt[::-1]), wanted[np.ix_(asked, learnt[::-1])], atol=2e-6
    )


def test_of_cosines_it_is_scikit_learns_rbf_kernel_of_features_of_length_1():
    features, _ = drawn()
    rows = np.arange(len(features))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = SimilarityKernel(make_score(), features, rows, 3.0).matrix(rows, rows)
    np.testing.assert_allclose(found, rbf_kernel(unit, gamma=3.0), atol=2e-6)


def test_a_signature_without_local_descriptors_is_as_near_itself_as_any_other():
    features, _ = drawn()
    features[3, 4:] = 0.0
    rows = np.arange(len(features))
    found = SimilarityKernel(make_score(local=LOCAL), features, rows, 1.0).matrix(rows, rows)
    np.testing.assert_allclose(np.diag(found), 1.0, atol=2e-6)
    wanted = kernel_written_out(np.delete(features, 3, axis=0), 1.0, LOCAL)
    others = np.delete(rows, 3)
    np.testing.assert_allclose(found[np.ix_(others, others)], wanted, atol=2e-6)


def test_of_distances_it_is_scikit_learns_rbf_kernel_of_features_as_they_are():
    features, _ = drawn()
    rows = np.arange(len(features))
    found = SimilarityKernel(make_score("euclidean"), features, rows, 0.02).matrix(rows, rows)
    np.testing.assert_allclose(found, rbf_kernel(features, gamma=0.02), atol=2e-6)


def test_many_signatures_are_compared_in_parts_with_the_same_result():
    features, known = drawn(writers=30)
    rows, learnt = np.arange(len(features)), np.flatnonzero(~np.array(known.forged))
    found = SimilarityKernel(make_score(local=LOCAL), features, learnt, 1.0).matrix(rows, learnt)
    assert len(learnt) > 200  # more than one part
    wanted = kernel_written_out(features[-25:], 1.0, LOCAL)
    last = np.isin(learnt, rows[-25:])
    np.testing.assert_allclose(found[-25:][:, last], wanted[:, ~np.array(known.forged)[-25:]], atol=2e-6)


@pytest.mark.parametrize("taught", ["others", "development", "its own last writers", "forgeries"])
def test_every_writers_scores_are_those_of_an_svm_written_out(taught):
    features, known = drawn(7)
    whole, options, development = kernel_written_out(features, 2.0, LOCAL), {}, None
    if taught == "development":
        more, others = drawn(3, seed=5)
        development = FeatureSet(more, others)
        whole = kernel_written_out(np.concatenate([features, more]), 2.0, LOCAL)
        options = {"from_development": 8}  # all that they have
    elif taught == "its own last writers":
        options = {"development_writers": 3, "from_development": 8}
    elif taught == "forgeries":
        options = {"skilled_in_training": 1}
    protocol = WriterDependent(
        references=4, genuine_for_test=3, draws=2, kernel="similarity",
        score=make_score(local=LOCAL), **options,
    )  # fmt: skip
    names, forged = np.array(known.identity), np.array(known.forged)
    for trials in protocol.trials(features, known, development):
        for place, name in enumerate(trials.identities):
            mine = trials.claimed == place
            own, tested = trials.references[place], trials.questioned[mine]
            negatives = np.concatenate(
                [each for other, each in enumerate(trials.references) if other != place]
            )
            if taught == "development":
                negatives = len(features) + np.flatnonzero(~np.array(others.forged))
            elif taught == "its own last writers":
                negatives = np.flatnonzero(~forged & (names >= "w04"))
            elif taught == "forgeries":
                held = np.setdiff1d(np.flatnonzero(forged & (names == name)), tested)
                assert len(held) == 1
                negatives = np.concatenate([negatives, held])
            learnt = np.concatenate([own, negatives])
            svm = SVC(C=1.0, kernel="precomputed", class_weight={1: len(negatives) / 4}, tol=1e-6)
            svm.fit(whole[np.ix_(learnt, learnt)], np.r_[np.ones(4), -np.ones(len(negatives))])
            wanted = svm.decision_function(whole[np.ix_(tested, learnt)])
            np.testing.assert_allclose(trials.scores[mine], wanted, atol=5e-3)


def test_signatures_of_a_development_set_that_teach_nothing_are_not_compared():
    (features, known), (more, others) = drawn(), drawn(3, seed=5)
    more[np.array(others.forged)] = 0.0  # cannot be compared
    protocol = WriterDependent(
        references=4, genuine_for_test=3, draws=1, kernel="similarity", from_development=8
    )
    (trials,) = protocol.trials(features, known, FeatureSet(more, others))
    assert len(trials.identities) == 5


def test_wrong_negatives_are_told_before_signatures_are_compared(monkeypatch):
    monkeypatch.setattr(
        "sigzoo.evaluation.writer_dependent.SimilarityKernel", lambda *_: pytest.fail("they were compared")
    )
    (features, known), others = drawn(), FeatureSet(*drawn(3, seed=5))
    small = {"references": 4, "genuine_for_test": 3, "kernel": "similarity"}
    for options, development, error in (
        ({"from_development": 8}, None, "from_development=8 needs development writers"),
        ({"from_others": 0}, None, "There are no negatives"),
        ({"from_development": 0}, others, "There are no negatives"),
        ({}, others, "has 8 genuine signatures, and from_development=14"),
    ):
        with pytest.raises((DataError, UsageError), match=error):
            WriterDependent(**small, **options).trials(features, known, development)


def test_what_the_kernel_cannot_take_is_said():
    with pytest.raises(UsageError, match="score is for kernel=similarity: kernel=rbf"):
        WriterDependent(score="mean")
    with pytest.raises(UsageError, match="gamma=auto"):
        WriterDependent(kernel="similarity", gamma="auto")
    with pytest.raises(UnknownNameError, match="score"):
        WriterDependent(kernel="similarity", score="nearest")
    with pytest.raises(UsageError, match="gamma must be a number above 0, got -1"):
        SimilarityKernel(make_score(), drawn()[0], np.arange(5), -1.0)
    features, known = drawn()
    small = {"references": 4, "genuine_for_test": 3, "kernel": "similarity"}
    with pytest.raises(DataError, match="a cohort, .* takes another score"):
        WriterDependent(**small, score="t-norm").trials(features, known)
    features[3] = 0.0
    with pytest.raises(DataError, match="row of zeros"):
        WriterDependent(**small).trials(features, known)


def test_evaluate_takes_the_similarity_of_the_models_own_score(signatures):
    choice = {"references": 3, "genuine_for_test": 2, "draws": 1}
    protocols = [
        ProtocolChoice("writer-dependent", choice),
        ProtocolChoice("writer-dependent", {**choice, "kernel": "similarity"}),
    ]
    found = evaluate(
        ["synsig-tiny"], str(signatures), protocols=protocols, layers=["with_local"], cache=False
    )
    plain, matching = (row for row in found.rows if row.model == "synsig-tiny")
    assert "score" not in plain.settings
    assert plain.settings["gamma"] == 2.0**-11
    assert matching.settings["score"] == "reference-norm"
    assert matching.settings["score_options"]["local"]["weight"] == 1.5
    assert matching.settings["gamma"] == 2.0
    assert matching.protocol.options["score"] == "each model's own"
    baselines = [row for row in found.rows if row.model == "baseline"]
    assert {row.settings["kernel"] for row in baselines} == {"rbf"}
    assert not [row.problem for row in found.rows if row.problem]
    (note,) = (note for note in found.notes if "where they stand" in note)
    assert note.startswith("with_local: writer-dependent compares local descriptors")
    assert note.endswith("writer-dependent:kernel=similarity matches them.")


@pytest.mark.parametrize(
    "choice",
    [
        ProtocolChoice("training-free", {"draws": 1, "score": "mean"}),
        ProtocolChoice(
            "writer-dependent",
            {"references": 3, "genuine_for_test": 2, "draws": 1, "kernel": "similarity", "score": "mean"},
        ),
    ],
)
def test_a_score_by_name_matches_nothing_which_is_told(signatures, choice):
    asked = {"layers": ["with_local", "embedding"], "cache": False, "baselines": False}
    found = evaluate(["synsig-tiny"], str(signatures), protocols=[choice], **asked)
    (note,) = (note for note in found.notes if "where they stand" in note)
    assert note.startswith(f"with_local: {choice.name} with score=mean compares local descriptors")
    assert note.endswith("the model's own score matches them.")
