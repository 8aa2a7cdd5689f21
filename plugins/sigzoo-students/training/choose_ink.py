"""Choose how the ink's statistics count: on crossmedia's validation split and synthetic writers.

python choose_ink.py CROSSMEDIA --weights FILE [--model base] [--directions 0.6]

Prints error rates for several weights and for several deviations of the darkness and of the proportions,
and the mean of their logarithms, which is what decides. The synthetic writers were held out from training
and from the choice of checkpoints: some sign in one sitting, as in most data sets, some with another pen and
scanner each time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from cli_main import cli_main
from features import embed
from sets import across_media, synthetic
from sigzoo_students.backbones import StudentBase, StudentTiny
from sigzoo_students.descriptors import InkStatistics
from sigzoo_students.families import FamiliesSpec
from sigzoo_students.synsig_presets import DIRECTIONS_WEIGHT, HELD_OUT, INK_WEIGHT

from sigzoo.evaluation.protocols import distance_protocol
from sigzoo.learning.training.unseen import mean_logarithm
from sigzoo.weights import load_into, read_weights

NETWORKS = {"base": StudentBase, "tiny": StudentTiny}
FIRST = HELD_OUT + 10_000
"""Number of the first family."""
WEIGHTS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8)
DARKNESS = (0.08, 0.06, 0.05, 0.04, 0.03, 0.02)
PROPORTIONS = (float("inf"), 0.8, 0.6, 0.5, 0.4, 0.3)
"""Without them first."""


def main() -> None:
    """Print a row for each weight and for each deviation, the others as usual."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossmedia", type=Path, help="folder of crossmedia")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", choices=list(NETWORKS), default="base")
    parser.add_argument(
        "--directions", type=float, default=DIRECTIONS_WEIGHT, help="weight of the strokes' directions"
    )
    parser.add_argument("--families", type=int, default=200, help="synthetic ones of each kind")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw them")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = NETWORKS[args.model](ink_weight=0.0, directions_weight=args.directions)
    tensors = read_weights(args.weights, "safetensors").tensors
    unused = {"ink.frequencies"} if args.directions else {"ink.frequencies", "directions.mean"}
    load_into(network, {k: v for k, v in tensors.items() if k not in unused}, source="weights")
    sets = {"crossmedia val": across_media(args.crossmedia)}
    for name, first in (("one sitting", FIRST), ("any conditions", FIRST + args.families)):
        spec = FamiliesSpec(args.families, first, genuine=7, sittings=name == "one sitting")
        sets[name] = synthetic(spec, args.workers)
    features = {name: embed(network, images) for name, (images, _) in sets.items()}
    _, _, darkness, proportions = InkStatistics.scales
    rows = [(weight, darkness, proportions) for weight in WEIGHTS]
    rows += [(INK_WEIGHT, each, proportions) for each in DARKNESS]
    rows += [(INK_WEIGHT, darkness, each) for each in PROPORTIONS]
    for row in dict.fromkeys(rows):
        rates, shown = [], []
        for name, (images, known) in sets.items():
            weighed = with_ink(features[name], images, *row)
            found = distance_protocol(weighed, known, replicates=0, score="mean")
            rates += [each.eer for each in found.values()]
            shown += [f"{name} {kind} {each.eer:.2f}" for kind, each in found.items()]
        score = mean_logarithm(rates)
        named = " ".join(f"{n} {v}" for n, v in zip(("weight", "darkness", "proportions"), row, strict=True))
        print(f"{named}: {score:.3f}  {', '.join(shown)}", flush=True)


def with_ink(
    features: np.ndarray, images: np.ndarray, weight: float, darkness: float, proportions: float
) -> np.ndarray:
    """Features with the statistics of ink at these deviations of the darkness and the proportions."""
    if not weight:
        return features
    ink = InkStatistics(weight)
    ink.frequencies[:, 2] *= ink.scales[2] / darkness
    ink.frequencies[:, 3] *= ink.scales[3] / proportions
    x = torch.from_numpy(images[:, None]).float() / 255.0
    return ink(torch.from_numpy(features), x[:, :, -3:], x[:, :, :-3]).numpy()


if __name__ == "__main__":
    cli_main(main)
