"""Choose how fast the kernel of a score's similarity falls, for SVMs of single writers: on development sets.

python choose_kernel.py DATA_FOLDER --work FOLDER [--workers 2]

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside (the first `FAMILIES` of each kind), and all of them but bhsig-dev again as scans of two levels.
CEDAR is for testing: it is not read.

What decides is the mean of the logarithm of the EER by the protocol ``writer-dependent`` with
``kernel=similarity`` over that with the published kernel on ``with_directions``: over both models, all
layers, the score of the model's card, and the sets, with two draws. Kinds of impostor weigh as in
`choose_score.py`; where it is skilled forgeries, or the same text, EERs with one threshold and with one for
each writer count alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from choosing import arguments, heads_of, keep_features
from cli_main import cli_main
from development import (
    LAYERS,
    MODELS,
    SETS,
    TWO_LEVEL_SETS,
    TWO_LEVELS,
    WITH_LOCAL,
    FeatureSet,
    read_features,
)
from numpy.typing import NDArray
from places import log_ratio, shares_of

import sigzoo
from sigzoo.evaluation.protocols import Signatures
from sigzoo.evaluation.summary import summarise
from sigzoo.evaluation.writer_dependent import WriterDependent

GAMMAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
DRAWS = 2
FAMILIES = 60
SPLITS = {"sigcomp2009": (3, 2), "bhsig-dev": (12, 10), "crossmedia val": (2, 2)}
"""Genuine signatures of a writer that are learnt and that are tested, as far as they have signed."""
SYNTHETIC = 5, 3
Rates = Mapping[tuple[str, str], float]
"""(Kind of impostor, which thresholds) -> EER in percent."""


def main() -> None:
    """Print for each gamma what decides, by layer, and the ratio of EERs on each set."""
    args, names = arguments(__doc__), (*SETS, *TWO_LEVEL_SETS)
    keep_features(names, args)
    with ProcessPoolExecutor(args.workers) as pool:
        found = list(pool.map(partial(_measure, args.data, args.work), names))
    heads = heads_of(names)
    print(f"{'gamma':<6}{'layer':<16}{'decides':>8} {heads}")
    decides: dict[float, float] = {}
    for gamma in GAMMAS:
        for layer in (*LAYERS, WITH_LOCAL, "all"):
            layers = (*LAYERS, WITH_LOCAL) if layer == "all" else (layer,)
            means = [float(np.mean([each[gamma, one] for one in layers])) for each in found]
            decides[gamma] = float(np.mean(means))  # "all" comes last
            row = " ".join(f"{math.exp(each):5.2f}" for each in means)
            print(f"{gamma:<6}{layer:<16}{decides[gamma]:>8.3f} {row}")
    print(f"winner: {min(decides, key=decides.__getitem__)}")


def _measure(data: Path, work: Path, name: str) -> dict[tuple[float, str], float]:
    """Mean logarithm of the ratios over the models, by gamma and layer."""
    features = _some(read_features(name, data, work, 1))
    learnt, tested = SPLITS.get(name.removesuffix(TWO_LEVELS), SYNTHETIC)
    ratios: dict[tuple[float, str], list[float]] = {}
    # Local descriptors are the same for all models, but for the rounding of mean and components: one model's
    # are taken for all, so that each pair is matched once.
    size = features.features[MODELS[0], "embedding"].shape[1]
    local = features.features[MODELS[0], WITH_LOCAL][:, size:]
    for model in MODELS:
        score = sigzoo.load(model, device="cpu").score
        rows = {layer: features.features[model, layer] for layer in LAYERS}
        of_model = features.features[model, WITH_LOCAL][:, : rows["embedding"].shape[1]]
        rows[WITH_LOCAL] = np.concatenate([of_model, local], axis=1)
        protocol = partial(WriterDependent, references=learnt, genuine_for_test=tested, draws=DRAWS)
        least = _rates(protocol(), rows["with_directions"], features.known)
        for gamma in GAMMAS:
            for layer, each in rows.items():
                rates = _rates(protocol(kernel="similarity", score=score, gamma=gamma), each, features.known)
                ratios.setdefault((gamma, layer), []).append(_log_ratio(rates, least))
    return {choice: float(np.mean(each)) for choice, each in ratios.items()}


def _some(features: FeatureSet) -> FeatureSet:
    """Of synthetic families the first ones; of real writers all."""
    known = features.known
    if features.name.removesuffix(TWO_LEVELS) in SPLITS or known.text is None:
        return features
    texts = list(dict.fromkeys(known.text))[:FAMILIES]
    rows = np.flatnonzero(np.isin(known.text, texts))
    arrays = {layer: each[rows] for layer, each in features.features.items()}
    return replace(features, features=arrays, known=_of_rows(known, rows), kept_as={})


def _of_rows(known: Signatures, rows: NDArray[np.int64]) -> Signatures:
    """What is known of some of the signatures."""
    parts = {
        name: None if value is None else [value[row] for row in rows] for name, value in vars(known).items()
    }
    return Signatures(**cast("dict[str, Any]", parts))


def _rates(protocol: WriterDependent, features: NDArray[np.float32], known: Signatures) -> Rates:
    summary = summarise(protocol.trials(features, known), known, replicates=2)
    found = {}
    for name, each in summary.impostors.items():
        kind = name.replace("_", " ")
        found[kind, "one threshold"] = each.eer.value
        if kind != "random":
            found[kind, "thresholds of the writers"] = each.eer_user.value
    return found


def _log_ratio(rates: Rates, least: Rates) -> float:
    total = 0.0
    for kind, share in shares_of({kind for kind, _ in rates}).items():
        total += share * float(
            np.mean([log_ratio(rates[key], least[key]) for key in rates if key[0] == kind])
        )
    return total


if __name__ == "__main__":
    cli_main(main)
