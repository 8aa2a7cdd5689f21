"""The distance protocol against a plain loop, and on features that are known to be good or useless."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from sigzoo.errors import DataError, UnknownNameError
from sigzoo.evaluation.distances import distances
from sigzoo.evaluation.protocols import DistanceProtocol, Signatures, distance_protocol, separated_pairs
from sigzoo.verification.scores import SCORES, make_score


def clusters(rng: np.random.Generator, writers: int, spread: float, dim: int = 12):
    """Six genuine signatures and three forgeries of each writer; forgeries lie half way off."""
    centres = rng.normal(size=(writers, dim))
    features, who, forged = [], [], []
    for w in range(writers):
        for k in range(9):
            centre = centres[w] if k < 6 else 0.5 * centres[w] + 0.5 * rng.normal(size=dim)
            features.append(centre + spread * rng.normal(size=dim))
            who.append(f"w{w}")
            forged.append(k >= 6)
    return np.array(features), Signatures(who, who, forged)


def plain_eer(features, known, seed, references=3):
    """The same protocol written out with loops."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    genuine, random, skilled = [], [], []
    for name in sorted(set(known.identity)):
        own = [i for i, w in enumerate(known.identity) if w == name and not known.forged[i]]
        order = list(rng.permutation(own))
        for i in range(len(unit)):
            score = np.mean([unit[i] @ unit[r] for r in order[:references]])
            if i in order[references:]:
                genuine.append(score)
            elif known.identity[i] == name and known.forged[i]:
                skilled.append(score)
            elif known.identity[i] != name and not known.forged[i]:
                random.append(score)
    rates = []
    for impostor in (random, skilled):
        labels = [1] * len(genuine) + [0] * len(impostor)
        far, tpr, _ = roc_curve(labels, genuine + impostor, drop_intermediate=False)
        at = np.abs(far - (1 - tpr)).argmin()
        rates.append(100 * (far[at] + 1 - tpr[at]) / 2)
    return rates


@pytest.mark.parametrize("seed", range(3))
def test_it_measures_what_a_plain_loop_measures(seed):
    features, known = clusters(np.random.default_rng(seed), 8, 0.6)
    found = distance_protocol(features, known, seeds=[seed], replicates=5, score="mean")
    random, skilled = plain_eer(features, known, seed)
    assert found["random"].eer == pytest.approx(random, abs=0.6)
    assert found["skilled"].eer == pytest.approx(skilled, abs=2.1)


def test_good_features_are_without_error_and_noise_is_near_chance():
    rng = np.random.default_rng(1)
    features, known = clusters(rng, 10, 0.01)
    assert distance_protocol(features, known, replicates=5)["random"].eer == 0.0
    noise = distance_protocol(rng.normal(size=features.shape), known, replicates=5)
    assert 35 < noise["random"].eer < 65


def test_the_interval_holds_the_mean_and_widens_with_fewer_writers():
    widths = []
    for writers in (6, 40):
        features, known = clusters(np.random.default_rng(2), writers, 0.8)
        m = distance_protocol(features, known, replicates=200)["skilled"]
        assert m.low <= m.eer <= m.high
        assert m.eer == pytest.approx(np.mean(m.draws))
        widths.append(m.high - m.low)
    assert widths[1] < widths[0]


def test_same_text_impostors_wrote_the_same_and_random_ones_something_else():
    rng = np.random.default_rng(3)
    texts = rng.normal(size=(4, 20))
    hands = rng.normal(size=(6, 20))
    rows = [(w, t, m) for w, t, m in itertools.product(range(6), range(4), range(4))]
    features = np.array([texts[t] + 0.3 * hands[w] + 0.05 * rng.normal(size=20) for w, t, _ in rows])
    known = Signatures(
        [f"{w} {t}" for w, t, _ in rows],
        [str(w) for w, _, _ in rows],
        [False] * len(rows),
        [str(t) for _, t, _ in rows],
        [str(m) for _, _, m in rows],
    )
    found = distance_protocol(features, known, replicates=5)
    assert set(found) == {"random", "same_text"}
    assert found["random"].eer == 0.0
    only_text = distance_protocol(texts[[t for _, t, _ in rows]], known, replicates=5)
    assert only_text["random"].eer == 0.0
    assert only_text["same_text"].eer == pytest.approx(50.0)


def test_too_few_genuine_signatures_and_unknown_measures_are_refused():
    features, known = clusters(np.random.default_rng(4), 3, 0.5)
    with pytest.raises(DataError, match="more than 6"):
        distance_protocol(features, known, references=6)
    with pytest.raises(UnknownNameError, match="manhattan"):
        distance_protocol(features, known, score="manhattan")


def test_separated_pairs_of_writers_are_counted():
    points = np.array([[0.0], [1.0], [10.0], [11.0], [11.5], [12.0]])
    assert separated_pairs(distances(points), ["a", "a", "b", "b", "c", "c"]) == (2, 3)


def looped_eers(genuine, impostor):
    """Every threshold tried: the EER at those where FAR and FRR are closest, of which there may be two."""
    found = []
    for threshold in sorted({*genuine, *impostor, np.inf}):
        far = np.mean([each >= threshold for each in impostor])
        frr = np.mean([each < threshold for each in genuine])
        found.append((abs(far - frr), 50 * (far + frr)))
    least = min(found)[0]
    return [rate for off, rate in found if off < least + 1e-9]


def looped_rates(features, known, score, cohort, references, seed):
    """Each questioned signature scored on its own, with references drawn as the protocol draws them."""
    rng = np.random.default_rng(seed)
    found = {"genuine": [], "random": [], "skilled": []}
    for name in sorted(set(known.identity)):
        own = [i for i, w in enumerate(known.identity) if w == name and not known.forged[i]]
        order = list(rng.permutation(own))
        for i in range(len(features)):
            kind = (
                "genuine" if i in order[references:] else "skilled" if known.identity[i] == name else "random"
            )
            if i in order[:references] or (kind == "random" and known.forged[i]):
                continue
            found[kind].append(score(features[order[:references]], features[i : i + 1], cohort)[0])
    return {kind: looped_eers(found["genuine"], found[kind]) for kind in ("random", "skilled")}


@pytest.mark.parametrize("name", [name for name in SCORES if name != "plda"])
@pytest.mark.parametrize("references", [1, 3])
def test_every_score_gives_the_rates_of_a_loop(name, references):
    rng = np.random.default_rng(7)
    features, known = clusters(rng, 5, 0.9)
    cohort, score = rng.normal(size=(30, features.shape[1])), make_score(name)
    protocol = DistanceProtocol(references=references, draws=2, replicates=0, score=score, cohort=cohort)
    found = protocol.measure(features, known)
    rates = [looped_rates(features, known, score, cohort, references, seed) for seed in range(2)]
    for kind in ("random", "skilled"):
        for drawn, looped in zip(found[kind].draws, rates, strict=True):
            assert any(drawn == pytest.approx(each, abs=1e-9) for each in looped[kind])


def test_a_score_can_be_named_and_a_missing_cohort_is_told():
    features, known = clusters(np.random.default_rng(4), 3, 0.5)
    named = distance_protocol(features, known, replicates=0, score="max")
    made = distance_protocol(features, known, replicates=0, score=make_score("max"))
    assert {kind: each.draws for kind, each in named.items()} == {k: each.draws for k, each in made.items()}
    with pytest.raises(DataError, match="cohort"):
        distance_protocol(features, known, score="z-norm")
