"""Choose the layer that each bundled model gives by default: on development sets alone.

python choose_layer.py DATA_FOLDER --work FOLDER

DATA_FOLDER holds sigcomp2009/, bhsig-dev/ and crossmedia/ (its validation split is read); synthetic writers
come beside, and all of them but bhsig-dev again as scans of two levels, on which darkness means nothing.
CEDAR is for testing, and is not read.

What decides is the mean of the logarithm of a layer's EER over that of ``embedding``: over 1, 3 and 5
references and the sets, with the score of the model's card. Kinds of impostor weigh as in `choose_score.py`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from choosing import heads_of
from cli_main import cli_main
from development import LAYERS, MODELS, SETS, TWO_LEVEL_SETS, read_features
from places import places_of

import sigzoo


def main() -> None:
    """Print for each model and layer what decides, and the ratio of EERs on each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/, bhsig-dev/ and crossmedia/")
    parser.add_argument("--work", type=Path, required=True, help="folder for images and features")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw synthetic writers")
    args = parser.parse_args()
    names = (*SETS, *TWO_LEVEL_SETS)
    sets = [read_features(name, args.data, args.work, args.workers) for name in names]
    places = [place for each in sets for place in places_of(each)]
    heads = heads_of(names)
    print(f"{'model':<12} {'layer':<16}{'decides':>8} {heads}")
    for model in MODELS:
        score, found = sigzoo.load(model, device="cpu").score, {}
        least = [place.rates(score, model, LAYERS[0]) for place in places]
        for layer in LAYERS:
            by_set: dict[str, list[float]] = {}
            for place, first in zip(places, least, strict=True):
                ratio = place.log_ratio(place.rates(score, model, layer), first)
                by_set.setdefault(place.features.name, []).append(ratio)
            means = [float(np.mean(each)) for each in by_set.values()]
            found[layer] = float(np.mean(means))
            row = " ".join(f"{math.exp(each):5.2f}" for each in means)
            print(f"{model:<12} {layer:<16}{found[layer]:>8.3f} {row}", flush=True)
        print(f"{model}: {min(found, key=found.__getitem__)}")


if __name__ == "__main__":
    cli_main(main)
