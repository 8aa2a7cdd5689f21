"""What trials come to, against the same written out with plain loops."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from sigzoo.evaluation.metrics import Scores
from sigzoo.evaluation.resampling import WeightedErrors
from sigzoo.evaluation.summary import summarise
from sigzoo.interfaces.protocols import KINDS, Signatures, Trials


def drawn(seed, writers=12, genuine=6, forged=4):
    """Signatures of some writers, and trials with scores of their own for each writer."""
    rng = np.random.default_rng(seed)
    names = [f"w{w:02}" for w in range(writers) for _ in range(3 + genuine + forged)]
    labels = [k >= 3 + genuine for _ in range(writers) for k in range(3 + genuine + forged)]
    rows = np.arange(len(names)).reshape(writers, -1)
    scores, questioned, claimed, kinds = [], [], [], []
    for w in range(writers):
        level = rng.normal(0, 0.5)
        for v in range(writers):
            for row in rows[v, 3:]:
                forgery = row > rows[v, 2 + genuine]
                if v != w and forgery:
                    continue
                kind = "random" if v != w else "skilled" if forgery else "genuine"
                scores.append(level + rng.normal({"genuine": 2, "skilled": 0.7, "random": 0}[kind], 1))
                questioned.append(row)
                claimed.append(w)
                kinds.append(KINDS.index(kind))
    trials = Trials(
        np.array(scores),
        np.array(questioned),
        np.array(claimed),
        np.array(kinds, np.int8),
        tuple(f"w{w:02}" for w in range(writers)),
        tuple(rows[w, :3] for w in range(writers)),
        0.0,
    )
    return trials, Signatures(names, names, labels)


def parts(trials, kind):
    """Genuine scores and a kind's, of each writer."""
    for w in range(len(trials.identities)):
        own = [
            s for s, c, k in zip(trials.scores, trials.claimed, trials.kinds, strict=True) if (c, k) == (w, 0)
        ]
        wanted = (w, KINDS.index(kind))
        pairs = zip(trials.scores, trials.claimed, trials.kinds, strict=True)
        yield own, [s for s, c, k in pairs if (c, k) == wanted]


@pytest.mark.parametrize("kind", ["random", "skilled"])
def test_rates_of_all_and_of_each_writer_are_those_of_plain_loops(kind):
    draws = [drawn(seed) for seed in range(2)]
    trials, known = [each[0] for each in draws], draws[0][1]
    found = summarise(trials, known, replicates=20).impostors[kind]
    for place, each in enumerate(trials):
        users = list(parts(each, kind))
        genuine, impostor = (np.concatenate(side) for side in zip(*users, strict=True))
        labels = [1] * len(genuine) + [0] * len(impostor)
        far, tpr, _ = roc_curve(labels, np.r_[genuine, impostor], drop_intermediate=False)
        at = np.abs(far - (1 - tpr)).argmin()
        assert found.eer.draws[place] == pytest.approx(50 * (far[at] + 1 - tpr[at]), abs=1.0)
        rejected, accepted, areas = 0, 0, []
        for own, other in users:
            far, tpr, thresholds = roc_curve([1] * len(own) + [0] * len(other), own + other)
            threshold = thresholds[np.abs(far - (1 - tpr)).argmin()]
            rejected += sum(score < threshold for score in own)
            accepted += sum(score >= threshold for score in other)
            areas.append(roc_auc_score([1] * len(own) + [0] * len(other), own + other))
        assert found.eer_user.draws[place] == pytest.approx(
            50 * (rejected / len(genuine) + accepted / len(impostor))
        )
        assert found.auc.draws[place] == pytest.approx(np.mean(areas))
    for figure in (found.eer, found.eer_user, found.auc):
        assert figure.value == pytest.approx(np.mean(figure.draws))
        assert figure.low <= figure.value <= figure.high
    assert set(found.user_eers) == set(known.identity)
    assert 0 < found.likelihood.cllr_min <= found.likelihood.cllr < 1


def test_operating_points_hold_the_rates_at_their_thresholds():
    trials, known = drawn(3)
    points = {each.name: each for each in summarise([trials], known, replicates=0).operating_points}
    assert set(points) == {"eer random", "eer skilled", "far random 1%", "score"}
    genuine = trials.scores[trials.of("genuine")]
    for point in points.values():
        assert point.frr == pytest.approx(100 * np.mean(genuine < point.threshold))
        for kind in ("random", "skilled"):
            far = 100 * np.mean(trials.scores[trials.of(kind)] >= point.threshold)
            assert point.far[kind] == pytest.approx(far)
    assert points["far random 1%"].far["random"] <= 1.0
    assert points["score"].threshold == 0.0


@pytest.mark.parametrize("kind", ["random", "skilled"])
def test_bisection_finds_what_looking_at_all_thresholds_finds(kind):
    trials, known = drawn(1)
    trials.scores[:] = trials.scores.round(1)
    writer = np.unique(known.writer, return_inverse=True)[1]
    genuine, impostor = trials.of("genuine"), trials.of(kind)
    claimed, other = trials.claimed[impostor], writer[trials.questioned[impostor]]
    fast = WeightedErrors(
        trials.scores[genuine], trials.claimed[genuine], trials.scores[impostor], claimed, other
    )
    slow = Scores(trials.scores[genuine], trials.scores[impostor])
    for seed in range(30):
        weights = np.random.default_rng(seed).integers(0, 3, 12)
        mass = weights[claimed] * np.where(claimed == other, 1, weights[other])
        assert fast.equal_error(weights) == pytest.approx(
            slow.equal_error(weights[trials.claimed[genuine]], mass).eer
        )


def test_data_without_forgeries_has_no_skilled_figures():
    trials, known = drawn(2, forged=0)
    assert set(summarise([trials], known, replicates=5).impostors) == {"random"}
