"""The writer-dependent protocol beside the published program: CPU time of training and testing, one core.

``python benchmarks/writer_dependent_speed.py CHECKOUT``: CHECKOUT holds luizgh/sigver. Features are random,
2,048 numbers as after a ReLU; writers have 24 genuine signatures and 24 forgeries. Ours trains and tests
every writer of a split. The published program, whose time goes with the number of writers, does so for some
of them with the same training and test sets, and its time is multiplied. Two settings: negatives from the
other writers' references (as published for CEDAR), and from development writers (as for GPDS).
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sigzoo.evaluation.writer_dependent import WriterDependent
from sigzoo.interfaces.protocols import Signatures, Trials

GENUINE, FORGED, REFERENCES, TESTED = 24, 24, 12, 10


def random_features(writers: int, size: int) -> tuple[NDArray[np.float64], Signatures]:
    """Features around a centre for each writer; forgeries between two centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(writers + 1, size))
    rows = []
    for writer in range(writers):
        rows.append(centres[writer] + rng.normal(size=(GENUINE, size)))
        rows.append((centres[writer] + centres[writer + 1]) / 2 + rng.normal(size=(FORGED, size)))
    names = [f"w{writer:04}" for writer in range(writers) for _ in range(GENUINE + FORGED)]
    forged = [place >= GENUINE for _ in range(writers) for place in range(GENUINE + FORGED)]
    return np.maximum(np.concatenate(rows), 0), Signatures(names, names, forged)


def published(
    training: Any, features: NDArray[np.float64], trials: Trials, negatives: NDArray[np.int64], writers: int
) -> tuple[float, float]:
    """CPU seconds of the published program for some writers, and how far its scores are from ours."""
    spent, difference = 0.0, 0.0
    for writer in range(writers):
        own = trials.references[writer]
        others = np.concatenate([rows for place, rows in enumerate(trials.references) if place != writer])
        rest = negatives if len(negatives) else others
        x = features[np.concatenate([own, rest])]
        y = np.concatenate([np.full(len(own), 1), np.full(len(rest), -1)])
        mine = trials.claimed == writer
        tested = features[trials.questioned[mine]]
        start = time.process_time()
        machine = training.train_wdclassifier_user((x, y), "rbf", 1.0, 2.0**-11)
        scores = machine.decision_function(tested)
        spent += time.process_time() - start
        difference = max(difference, float(np.abs(scores - trials.scores[mine]).max()))
    return spent, difference


def main() -> None:
    """Run both settings on one core."""
    with threadpool_limits(1):
        _run()


def _run() -> None:
    """Run both settings and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", help="folder of luizgh/sigver")
    parser.add_argument("--writers", type=int, default=300)
    parser.add_argument("--development-writers", type=int, default=100)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--splits", type=int, default=1, help="of ours; times are given for ten")
    parser.add_argument("--published-writers", type=int, default=6)
    chosen = parser.parse_args()
    sys.path.insert(0, chosen.checkout)
    training = importlib.import_module("sigver.wd.training")
    for development in (0, chosen.development_writers):
        features, known = random_features(chosen.writers + development, chosen.features)
        protocol = WriterDependent(draws=chosen.splits, development_writers=development)
        start = time.process_time()
        trials = protocol.trials(features, known)
        ours = (time.process_time() - start) * 10 / chosen.splits
        # The negatives of the first split, as the protocol's generator draws them.
        rng = np.random.RandomState(1234)
        identity, forged = np.asarray(known.identity), np.asarray(known.forged)
        names = np.unique(identity)
        for name in names[: chosen.writers]:
            rng.shuffle(np.flatnonzero((identity == name) & ~forged))
        negatives = [
            rng.choice(np.flatnonzero((identity == name) & ~forged), 14, replace=False)
            for name in names[chosen.writers :]
        ]
        joined = np.concatenate(negatives) if negatives else np.empty(0, np.int64)
        spent, difference = published(training, features, trials[0], joined, chosen.published_writers)
        theirs = spent * 10 * chosen.writers / chosen.published_writers
        rest = f"{development} development writers" if development else "the other writers' references"
        print(
            f"negatives from {rest}: 10 splits of {chosen.writers} writers take {ours:.0f} s, published"
            f" {theirs:.0f} s: {theirs / ours:.1f} times; scores differ by at most {difference:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
