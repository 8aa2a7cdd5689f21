"""The protocols with SVMs against the published programs, where checkouts of these are given.

``pytest tests/evaluation --peer PATH`` (or SIGZOO_TEST_PEERS in the environment): folders that hold the
package ``sigver`` of luizgh/sigver or of tallesbrito/contrastive_sigver; ``--peer`` may be repeated.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sigzoo.evaluation.metrics import error_rates, published_threshold
from sigzoo.evaluation.summary import summarise
from sigzoo.evaluation.writer_dependent import WriterDependent
from sigzoo.evaluation.writer_independent import WriterIndependent
from sigzoo.interfaces.protocols import Signatures

PROGRAM = Path(__file__).with_name("published_program.py")
WRITERS, GENUINE, FORGED = 26, 24, 24


@pytest.fixture
def published(request, tmp_path):
    """Run a published program's protocol, ``wd`` or ``wi``, on features."""

    def run(kind, features, options):
        peers = [
            *request.config.getoption("--peer"),
            *os.environ.get("SIGZOO_TEST_PEERS", "").split(os.pathsep),
        ]
        having = [peer for peer in peers if peer and (Path(peer) / "sigver" / kind).is_dir()]
        if not having:
            pytest.skip(f"no checkout of a published program with sigver/{kind} is given (--peer)")
        file = tmp_path / "features.npz"
        np.savez(file, **features)
        done = subprocess.run(
            [sys.executable, str(PROGRAM), kind, str(file), json.dumps(options)],
            env={**os.environ, "PYTHONPATH": having[0]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def features():
    """Random features, fixed; forgeries lie between a writer and another."""
    rng = np.random.default_rng(20)
    centres = rng.normal(size=(WRITERS + 1, 128))
    x, y, yforg = [], [], []
    for writer in range(WRITERS):
        middle = 0.55 * centres[writer] + 0.45 * centres[writer + 1]
        x += [centres[writer] + 1.3 * rng.normal(size=(GENUINE, 128))]
        x += [middle + 1.3 * rng.normal(size=(FORGED, 128))]
        y += [writer] * (GENUINE + FORGED)
        yforg += [0] * GENUINE + [1] * FORGED
    found = np.maximum(np.concatenate(x), 0)
    found[:, 7] = 0.0  # a feature that never varies
    return {"x": found, "y": np.array(y), "yforg": np.array(yforg)}


def known(features):
    names = [f"w{writer:03}" for writer in features["y"]]
    return Signatures(names, names, [bool(each) for each in features["yforg"]])


def compare(published, trials, signatures):
    """Every split's rates are the published program's, within a tenth of a point."""
    for each, wanted in zip(trials, published, strict=True):
        summary = summarise([each], signatures, replicates=0)
        skilled = summary.impostors["skilled"]
        score = next(point for point in summary.operating_points if point.name == "score")
        genuine, forged = each.scores[each.of("genuine")], each.scores[each.of("skilled")]
        eer = 50 * sum(error_rates(genuine, forged, published_threshold(genuine, forged)))
        assert eer == pytest.approx(100 * wanted["EER"], abs=0.1)
        # The least difference of FAR and FRR over all thresholds, not corners of the curve alone.
        assert skilled.eer.value == pytest.approx(eer, abs=100 / len(genuine))
        assert skilled.eer_user.value == pytest.approx(100 * wanted["EER_userthresholds"], abs=0.1)
        assert skilled.auc.value == pytest.approx(wanted["mean_AUC"], abs=1e-3)
        assert score.frr == pytest.approx(100 * wanted["FRR"], abs=0.1)
        assert score.far["random"] == pytest.approx(100 * wanted["FAR_random"], abs=0.1)
        assert score.far["skilled"] == pytest.approx(100 * wanted["FAR_skilled"], abs=0.1)
    assert 1 < np.mean([100 * wanted["EER"] for wanted in published]) < 45


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize(
    ("from_development", "from_others", "development"), [(14, 0, 10), (0, 12, 0), (5, 3, 10), (0, 4, 0)]
)
def test_writer_dependent(published, features, kernel, from_development, from_others, development):
    options = {
        "svm_type": kernel,
        "C": 1.0,
        "gamma": 2.0**-11,
        "num_gen_train": 12,
        "num_forg_from_exp": from_others,
        "num_forg_from_dev": from_development,
        "num_gen_test": 10,
        "exploitation": WRITERS - development,
        "folds": 3,
        "seed": 1234,
    }
    wanted = published("wd", features, options)
    protocol = WriterDependent(
        kernel=kernel,
        draws=3,
        from_development=from_development if development else None,
        from_others=from_others,
        development_writers=development,
    )
    compare(wanted, protocol.trials(features["x"], known(features)), known(features))


@pytest.mark.parametrize("fusion", ["max", "mean", "median", "min"])
def test_writer_independent(published, features, fusion):
    options = {
        "svm_type": "rbf",
        "C": 1.0,
        "gamma": 2.0**-11,
        "num_gen_train": 12,
        "num_gen_ref": 12,
        "num_gen_test": 10,
        "fusion": fusion,
        "exploitation": 14,
        "folds": 2,
        "seed": 1234,
    }
    wanted = published("wi", features, options)
    protocol = WriterIndependent(fusion=fusion, draws=2, development_writers=WRITERS - 14)
    compare(wanted, protocol.trials(features["x"], known(features)), known(features))
