"""Choose a model's weights among files: on development sets alone.

python choose_weights.py DATA_FOLDER --work FOLDER --model synsig-base FILE [FILE ...]

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside, and all sets but bhsig-dev again as scans of two levels. CEDAR is for testing, and is not read.

What decides is the mean of the logarithm of a file's EER over that of the weights that are bundled: over the
three layers, 1, 3 and 5 references, the sets, and two scores, the plain mean of the cosine similarities and
the one of the model's card. Kinds of impostor weigh as in `choose_score.py`. -0.1 is about 10 % fewer errors.
"""

from __future__ import annotations

import argparse
import math
from itertools import product
from pathlib import Path

import numpy as np
from cli_main import cli_main
from development import LAYERS, MODELS, SETS, TWO_LEVEL_SETS, read_features
from places import Place, places_of

import sigzoo
from sigzoo.verification.scores import Score, make_score

SHOWN = 3
"""References whose EERs are printed."""


def main() -> None:
    """Print what decides for each file, by set, layer and score; then the EERs with three references."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/, bhsig-dev/ and crossmedia/")
    parser.add_argument("files", nargs="+", type=Path, help="safetensors files of weights")
    parser.add_argument("--model", choices=MODELS, default="synsig-base")
    parser.add_argument("--work", type=Path, required=True, help="folder for images and features")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw synthetic writers")
    args = parser.parse_args()
    weights = {f"{args.model} {file.stem}": file for file in args.files}
    scores = {"mean": make_score("mean"), "card's": sigzoo.load(args.model, device="cpu").score}
    sets = [
        read_features(name, args.data, args.work, args.workers, weights) for name in (*SETS, *TWO_LEVEL_SETS)
    ]
    places = [place for each in sets for place in places_of(each)]
    found = {label: _tell(label, args.model, places, scores) for label in weights}
    best = min(found, key=found.__getitem__)
    kept = args.model if found[best] >= 0 else best
    print(f"winner: {kept} ({min(found[best], 0.0):.3f})")


def _tell(label: str, model: str, places: list[Place], scores: dict[str, Score]) -> float:
    """Print how a file compares with the bundled weights; the figure that decides."""
    ratios: dict[tuple[str, str, str], list[float]] = {}
    for place, layer, (name, score) in product(places, LAYERS, scores.items()):
        ours, theirs = place.rates(score, label, layer), place.rates(score, model, layer)
        ratios.setdefault((place.features.name, layer, name), []).append(place.log_ratio(ours, theirs))
        if place.references == SHOWN:
            shown = ", ".join(f"{kind} {theirs[kind]:.2f} -> {ours[kind]:.2f}" for kind in ours)
            print(f"{place.features.name:<28} {layer:<16} {name:<7} {shown}")
    for number, title in enumerate(("set", "layer", "score")):
        for value in dict.fromkeys(key[number] for key in ratios):
            part = np.mean([np.mean(each) for key, each in ratios.items() if key[number] == value])
            print(f"{title:<6} {value:<28} {math.exp(part):.3f}")
    decides = float(np.mean([np.mean(each) for each in ratios.values()]))
    print(f"{label}: {decides:.3f} against the bundled weights", flush=True)
    return decides


if __name__ == "__main__":
    cli_main(main)
