"""Choose how signatures are scored against references: on development sets alone.

python choose_score.py DATA_FOLDER --work FOLDER [--grid]

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside, some signing in one sitting, some under other conditions each time. CEDAR is for testing, and is
not read.

What decides is the mean of the logarithm of the EER over the plain mean's (`Mean`, features as they are),
with one global threshold: over both bundled models, their three layers, 1, 3 and 5 references, and the sets.
Within a set skilled forgeries count twice, impostors who write the same text and random ones once; where
nobody forged, the same text counts twice. EERs below 0.5 % count as 0.5 %: differences there are a few
signatures. Four draws of references each. -0.1 is about 10 % fewer errors.

Without --grid the kinds of score are compared; with it, options of the reference-normalised one. Features
are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
from cli_main import cli_main
from development import LAYERS, LEARNING, MODELS, SETS, FeatureSet, read_features
from learn_scores import cohort, learn_logistic, learn_plda_arrays
from places import Place, places_of

from sigzoo.verification.scores import Score, make_score

INK_COLUMN = {"synsig-tiny": 328, "synsig-base": 424}
"""Where the statistics of the ink begin in ``with_ink``; other layers end there or before."""
INK_WEIGHT = 1 / 3
GRID = {
    "weight": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "sharpness": (0.0, 4.0, 8.0, 16.0),
    "pseudo_count": (0.0, 0.5, 1.0, 2.0),
    "ink": (1.0, 0.5, 1 / 3, 0.25, 1 / 6),
}

MakeScore = Callable[[str, str], Score]
"""From model and layer to the score of its features."""


Rates = dict[tuple[str, int, str, str], dict[str, float]]
"""(Set, references, model, layer) -> EER in percent by kind of impostor."""


def main() -> None:
    """Print a row for each score: what decides, then the ratio of EERs by set and number of references."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/, bhsig-dev/ and crossmedia/")
    parser.add_argument("--work", type=Path, required=True, help="folder for features")
    parser.add_argument("--grid", action="store_true", help="options of the reference-normalised score")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw synthetic writers")
    args = parser.parse_args()
    sets = [read_features(name, args.data, args.work, args.workers) for name in SETS]
    learning = [read_features(name, args.data, args.work, args.workers) for name in LEARNING]
    places = [place for each in sets for place in places_of(each)]
    others = {(model, layer): cohort(learning, model, layer) for model, layer in product(MODELS, LAYERS)}
    table = Table(places, others)
    for name, make in (grid() if args.grid else candidates(learning)).items():
        table.add(name, make)
    table.conclude()


class Table:
    """Scores, measured one after the other, beside the plain mean."""

    def __init__(self, places: list[Place], others: Mapping[tuple[str, str], np.ndarray]) -> None:
        self._places, self._others = places, others
        self._found: dict[str, float] = {}
        heads = [f"{each.features.name} {each.references}" for each in places]
        print("\n".join(f"({number}) {head}" for number, head in enumerate(heads, 1)))
        print(f"{'score':<44}{'decides':>8} " + " ".join(f"{f'({n})':>5}" for n in range(1, 1 + len(heads))))
        self._plain = self._measure(lambda model, layer: make_score("mean"))

    def _measure(self, make: MakeScore) -> Rates:
        return {
            (place.features.name, place.references, model, layer): place.rates(
                make(model, layer), model, layer, self._others[model, layer]
            )
            for place, model, layer in product(self._places, MODELS, LAYERS)
        }

    def add(self, name: str, make: MakeScore) -> None:
        """Measure a score and print its row."""
        found = self._measure(make)
        logarithms = []
        for place in self._places:
            parts = []
            for model, layer in product(MODELS, LAYERS):
                key = place.features.name, place.references, model, layer
                parts.append(place.log_ratio(found[key], self._plain[key]))
            logarithms.append(float(np.mean(parts)))
        self._found[name] = float(np.mean(logarithms))
        row = " ".join(f"{math.exp(each):5.2f}" for each in logarithms)
        print(f"{name:<44}{self._found[name]:>8.3f} {row}", flush=True)

    def conclude(self) -> None:
        """Name the winner."""
        winner = min(self._found, key=self._found.__getitem__)
        print(f"winner: {winner} ({self._found[winner]:.3f})")


def candidates(learning: list[FeatureSet]) -> dict[str, MakeScore]:
    """Every kind of score, with its default options; some with the ink's part weighing less."""

    def plain(name: str, **options: float) -> MakeScore:
        return lambda model, layer: make_score(name, **options)

    def less_ink(name: str, **options: float) -> MakeScore:
        return lambda model, layer: make_score(name, part_weights=ink_weights(model, INK_WEIGHT), **options)

    coefficients = learn_logistic(learning)
    print("logistic:", ", ".join(f"{each:.4g}" for each in coefficients))
    found = {name: plain(name) for name in ("mean", "max", "min", "mean-max", "centroid", "euclidean")}
    half = {"weight": 0.5, "sharpness": 0.0, "pseudo_count": 0.0}
    found["mean less half of own similarity"] = plain("reference-norm", **half)
    found["the same, soft maximum"] = plain("reference-norm", **{**half, "sharpness": 8.0})
    found["reference-norm"] = plain("reference-norm")
    found |= {name: plain(name) for name in ("z-norm", "t-norm", "s-norm")}
    found |= {f"as-norm {top}": plain("as-norm", top=top) for top in (30, 100)}
    found["logistic"] = lambda model, layer: make_score("logistic", coefficients=coefficients)
    for count in (32, 100):
        arrays = {
            (model, layer): learn_plda_arrays(learning, model, layer, count)
            for model, layer in product(MODELS, LAYERS)
        }
        found[f"plda {count}"] = lambda model, layer, arrays=arrays: make_score(
            "plda", arrays=arrays[model, layer]
        )
    found["mean, ink weighing a third"] = less_ink("mean")
    found["reference-norm, ink weighing a third"] = less_ink("reference-norm")
    return found


def grid() -> dict[str, MakeScore]:
    """The reference-normalised score around its default: one option is changed, then three together."""

    def made(options: Mapping[str, float]) -> MakeScore:
        own = {key: value for key, value in options.items() if key != "ink"}
        return lambda model, layer: make_score(
            "reference-norm", part_weights=ink_weights(model, options["ink"]), **own
        )

    default = make_score("reference-norm")
    start = {key: getattr(default, key, INK_WEIGHT) for key in GRID}
    rows = [{**start, key: value} for key, values in GRID.items() for value in values]
    rows += [
        {**start, "weight": weight, "sharpness": sharpness, "pseudo_count": count}
        for weight, sharpness, count in product((0.6, 0.7, 0.8, 0.9), (8.0, 16.0), (0.5, 1.0))
    ]
    return {" ".join(f"{key} {value:.3g}" for key, value in row.items()): made(row) for row in rows}


def ink_weights(model: str, weight: float) -> tuple[tuple[int, float], ...]:
    """Weights of parts in which the statistics of the ink count `weight` times as much as they do."""
    return ((INK_COLUMN[model], weight),)


if __name__ == "__main__":
    cli_main(main)
