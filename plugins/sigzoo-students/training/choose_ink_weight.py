"""Choose how much the ink's statistics count: on crossmedia's validation split and synthetic writers.

python choose_ink_weight.py CROSSMEDIA --weights FILE [--model base]

Prints error rates for several weights, and the mean of their logarithms, which is what decides. The
synthetic writers were held out: some sign in one sitting on one office scanner, as in most data sets, and
some with another pen and scanner each time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from corpus import Corpus, real_names
from sigzoo_students.backbones import InkStatistics
from sigzoo_students.preprocessing import SynsigPreprocessor
from train_synsig import NETWORKS, embed, signatures

from sigzoo.errors import ImageError
from sigzoo.evaluation.datasets import crossmedia
from sigzoo.evaluation.protocols import distance_protocol
from sigzoo.synthesis import Writer
from sigzoo.synthesis.conditions import Rendering, office, varied
from sigzoo.weights import load_into, read_weights

FIRST = 3_000_000
"""Number of the first writer."""


def main() -> None:
    """Print a row for each weight."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossmedia", type=Path, help="folder of crossmedia")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", choices=list(NETWORKS), default="base")
    parser.add_argument("--writers", type=int, default=120, help="synthetic ones of each kind")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    preprocess = SynsigPreprocessor(statistics=True)
    network = NETWORKS[args.model](ink_weight=0.0)
    tensors = read_weights(args.weights, "safetensors").tensors
    load_into(network, {k: v for k, v in tensors.items() if k != "ink.frequencies"}, source="weights")
    real = real_names(args.crossmedia, "val", preprocess)
    synthetic = {
        "one sitting": _writers(args.writers, office, True, preprocess),
        "any conditions": _writers(args.writers, varied, False, preprocess),
    }
    # The real ones are compared across media, as the files' names tell them.
    sets = {"crossmedia val": (real.images, crossmedia(args.crossmedia, ["val"]).known)} | {
        name: (corpus.images, signatures(corpus)) for name, corpus in synthetic.items()
    }
    features = {name: embed(network, images) for name, (images, _) in sets.items()}
    for weight in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        rates, shown = [], []
        for name, (images, known) in sets.items():
            found = distance_protocol(_weighed(features[name], images, weight), known, replicates=0)
            rates += [max(each.eer, 0.1) for each in found.values()]
            shown += [f"{name} {kind} {each.eer:.2f}" for kind, each in found.items()]
        print(f"{weight:.1f}: {np.log(rates).mean():.3f}  {', '.join(shown)}", flush=True)


def _weighed(features: np.ndarray, images: np.ndarray, weight: float) -> np.ndarray:
    if not weight:
        return features
    levels = torch.from_numpy(images[:, None, -3:]).float() / 255.0
    return InkStatistics(weight)(torch.from_numpy(features), levels).numpy()


def _writers(count: int, rendering: Rendering, sitting: bool, preprocess: SynsigPreprocessor) -> Corpus:
    """Seven genuine signatures of each writer, and seven forgeries by two forgers."""
    rows = []
    for number in range(FIRST, FIRST + count):
        for forger, images in ((0, 7), (1, 4), (2, 3)):
            conditions = rendering(np.random.default_rng([2026, number, 98, forger]))
            kept: Rendering = (lambda fixed: lambda _: fixed)(conditions) if sitting else rendering
            writer = Writer((2026, number), rendering=kept, variation=1.2)
            for index in range(images):
                image = writer.forgery(index, forger - 1) if forger else writer.genuine(index)
                try:
                    rows.append((preprocess(image), number, 0, forger))
                except ImageError:
                    continue
    images_, *labels = zip(*rows, strict=True)
    return Corpus(np.stack(images_), *(np.array(each) for each in labels))


if __name__ == "__main__":
    main()
