"""Compare how synthetic writers vary, and how their forgers fail, with a real set.

python realism.py SIGCOMP2009 [--model synsig-base]

For the writers who were forged: the mean cosine similarity of their genuine signatures to each other, and of
the forgeries to them, by the learnt features alone; how the ink's statistics vary among a writer's genuine
signatures, and by how much forgers are off. The synthetic writers sign in one sitting and were held out
from everything else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from cli_main import cli_main
from features import learnt
from numpy.typing import NDArray
from sets import synthetic
from sigzoo_students.descriptors import InkStatistics
from sigzoo_students.families import FamiliesSpec
from sigzoo_students.preprocessing import SynsigPreprocessor
from sigzoo_students.synsig_presets import HELD_OUT

import sigzoo
from sigzoo.evaluation.datasets import sigcomp2009
from sigzoo.evaluation.protocols import Signatures
from sigzoo.imaging import read_image
from sigzoo.interfaces import Backbone

FIRST = HELD_OUT + 20_000
"""Number of the first family."""

Floats = NDArray[np.float64]


def main() -> None:
    """Print both sets, one below the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sigcomp2009", type=Path, help="folder of SigComp2009")
    parser.add_argument("--model", default="synsig-base")
    parser.add_argument("--families", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw them")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    backbone = sigzoo.load(args.model).backbone
    real = sigcomp2009(args.sigcomp2009)
    preprocess = SynsigPreprocessor(statistics=True)
    tell("SigComp2009", backbone, np.stack([preprocess(read_image(path)) for path in real.files]), real.known)
    spec = FamiliesSpec(args.families, FIRST, genuine=8, sittings=True)
    tell("synthetic", backbone, *synthetic(spec, args.workers))


def tell(name: str, backbone: Backbone, images: NDArray[np.uint8], known: Signatures) -> None:
    """Print what is said of one set."""
    groups = forged_writers(known)
    genuine, forged = similarities(learnt(backbone, images), groups)
    print(f"{name}: {len(groups)} writers")
    for what, values in (("genuine", genuine), ("forgeries", forged), ("difference", genuine - forged)):
        shown = " ".join(f"{each:.2f}" for each in np.percentile(values, (5, 25, 50, 75, 95)))
        print(f"  similarity, {what}: {shown} (5, 25, 50, 75, 95 %), deviation {values.std():.3f}")
    levels = images[:, -3:, 0] / 255.0 * np.array(InkStatistics.ranges)
    within = np.mean([levels[own].var(axis=0, ddof=1) for own, _ in groups], axis=0) ** 0.5
    off = [levels[forgeries].mean(axis=0) - levels[own].mean(axis=0) for own, forgeries in groups]
    usual = np.median(off, axis=0).round(3)
    print(f"  length, width, darkness: deviation within {within.round(3)}, forgers off by {usual}")


def forged_writers(known: Signatures) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of the genuine signatures and of the forgeries, of each writer who has both."""
    identity, forged = np.array(known.identity), np.array(known.forged)
    groups = [
        (np.flatnonzero((identity == each) & ~forged), np.flatnonzero((identity == each) & forged))
        for each in np.unique(identity)
    ]
    return [(own, forgeries) for own, forgeries in groups if len(own) > 1 and len(forgeries)]


def similarities(
    features: Floats, groups: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[Floats, Floats]:
    """Each writer's mean similarity among genuine signatures, and of forgeries to them."""
    genuine, forged = [], []
    for own, forgeries in groups:
        alike = features[own] @ features[own].T
        genuine.append((alike.sum() - len(own)) / (len(own) * (len(own) - 1)))
        forged.append((features[forgeries] @ features[own].T).mean())
    return np.array(genuine), np.array(forged)


if __name__ == "__main__":
    cli_main(main)
