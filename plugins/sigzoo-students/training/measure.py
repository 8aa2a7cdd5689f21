"""Measure models on real signatures, with intervals and a trivial baseline beside.

python measure.py DATA_FOLDER [MODEL ...] [--weights FILE] [--layer NAME] [--score card]

DATA_FOLDER holds sigcomp2009/ and crossmedia/. Three references a writer, drawn with seeds 0 to 9;
score: mean cosine similarity to them, or that of the model's card; one global threshold; EER in percent with
the 95 % bootstrap interval over writers. The test sets choose nothing: no checkpoint, no parameter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from cli_main import cli_main

import sigzoo
from sigzoo.evaluation.baseline import ink_statistics, standardised
from sigzoo.evaluation.datasets import ImageSet, crossmedia, sigcomp2009
from sigzoo.evaluation.distances import distances
from sigzoo.evaluation.protocols import Measured, distance_protocol, separated_pairs
from sigzoo.imaging import read_image


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/ and crossmedia/")
    parser.add_argument("models", nargs="*", default=["synsig-tiny"], help="names that `sigzoo list` knows")
    parser.add_argument("--weights", type=Path, help="weights in place of the model's own")
    parser.add_argument("--layer", help="whose features are measured; the card's by default")
    parser.add_argument("--score", choices=["mean", "card"], default="mean")
    parser.add_argument("--sets", nargs="+", default=["sigcomp2009", "crossmedia"])
    parser.add_argument("--splits", nargs="+", default=["test"], help="of crossmedia")
    parser.add_argument("--replicates", type=int, default=500, help="bootstrap samples")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sets = read_sets(args.data, args.sets, args.splits)
    print(f"{'model':<18} {'set':<18} {'impostors':<10} EER % (95 %)")
    for name, images in sets.items():
        _tell("trivial baseline", name, trivial(images, args.replicates))
    for each in args.models:
        model = sigzoo.load(each, weights=args.weights)
        score = model.score if args.score == "card" else "mean"
        for name, images in sets.items():
            features = model.embed(images.files, layer=args.layer)
            measured = distance_protocol(features, images.known, replicates=args.replicates, score=score)
            _tell(each, name, measured)
            if name == "sigcomp2009":
                separated, pairs = three_each(features, images)
                print(f"{each:<18} {name:<18} three genuine each: {separated} of {pairs} pairs separated")


def read_sets(data: Path, names: list[str], splits: list[str]) -> dict[str, ImageSet]:
    """The sets of these names that lie in a folder."""
    sets = {}
    if "sigcomp2009" in names:
        sets["sigcomp2009"] = sigcomp2009(data / "sigcomp2009")
    if "crossmedia" in names:
        sets[f"crossmedia {'+'.join(splits)}"] = crossmedia(data / "crossmedia", splits)
    return sets


def trivial(images: ImageSet, replicates: int) -> dict[str, Measured]:
    """What ink area, aspect, stroke width and darkness achieve."""
    statistics = standardised(np.stack([ink_statistics(read_image(path)) for path in images.files]))
    return distance_protocol(statistics, images.known, replicates=replicates, score="euclidean")


def three_each(features: np.ndarray, images: ImageSet) -> tuple[int, int]:
    """Count the separated pairs of writers, three genuine signatures each, the first by name."""
    chosen: list[int] = []
    for writer in sorted(set(images.known.writer)):
        own = [i for i, w in enumerate(images.known.writer) if w == writer and not images.known.forged[i]]
        chosen += sorted(own, key=lambda i: images.files[i].name)[:3]
    return separated_pairs(distances(features[chosen]), [images.known.writer[i] for i in chosen])


def _tell(who: str, name: str, measured: dict[str, Measured]) -> None:
    for kind, each in measured.items():
        print(f"{who:<18} {name:<18} {kind:<10} {each}", flush=True)


if __name__ == "__main__":
    cli_main(main)
