"""Run by itself, with a checkout of a published program on the path: its protocol on features of ours.

``python published_program.py wd|wi FEATURES.npz OPTIONS.json``: prints the metrics of each split as JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys

import numpy as np


def main(kind: str, features: str, options: str) -> None:
    """Read features (``x``, ``y``, ``yforg``), train and test as the program's own ``test.py`` does."""
    if not hasattr(np, "NaN"):
        np.NaN = np.nan  # the programs are older than numpy 2
    training = importlib.import_module(f"sigver.{kind}.training")
    chosen = json.loads(options)
    with np.load(features) as data:
        x, y, yforg = data["x"], data["y"], data["yforg"]
    first = int(chosen.pop("exploitation"))
    sets = [(x[part], y[part], yforg[part]) for part in (y < first, y >= first)]
    rng = np.random.RandomState(chosen.pop("seed"))
    found = []
    for _ in range(chosen.pop("folds")):
        with contextlib.redirect_stdout(io.StringIO()):
            _, results = training.train_test_all_users(*sets, rng=rng, **chosen)
        metrics = results["all_metrics"]
        names = ("EER", "EER_userthresholds", "mean_AUC", "FRR", "FAR_random", "FAR_skilled")
        found.append({name: float(metrics[name]) for name in names})
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
