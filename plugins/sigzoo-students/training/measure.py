"""Measure a bundled model on real signatures, with intervals and a trivial baseline beside.

python measure.py DATA_FOLDER [--weights FILE]

DATA_FOLDER holds sigcomp2009/ and crossmedia/. Three references a writer, drawn with seeds 0 to 9;
score: mean cosine similarity to them; one global threshold; EER in percent with the 95 % bootstrap
interval over writers. These sets choose nothing: no checkpoint, no parameter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from sigzoo_students.backbones import StudentTiny
from sigzoo_students.preprocessing import SynsigPreprocessor

from sigzoo.evaluation.baseline import ink_statistics, standardised
from sigzoo.evaluation.datasets import ImageSet, crossmedia, sigcomp2009
from sigzoo.evaluation.distances import distances
from sigzoo.evaluation.protocols import distance_protocol, separated_pairs

WEIGHTS = Path(__file__).parents[1] / "sigzoo_students" / "weights" / "synsig-tiny.safetensors"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with sigcomp2009/ and crossmedia/")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--sets", nargs="+", default=["sigcomp2009", "crossmedia"])
    parser.add_argument("--splits", nargs="+", default=["test"], help="of crossmedia")
    parser.add_argument("--replicates", type=int, default=500, help="bootstrap samples")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load(args.weights)
    sets = {}
    if "sigcomp2009" in args.sets:
        sets["sigcomp2009"] = sigcomp2009(args.data / "sigcomp2009")
    if "crossmedia" in args.sets:
        sets[f"crossmedia {'+'.join(args.splits)}"] = crossmedia(args.data / "crossmedia", args.splits)
    print(f"{'set':<18} {'impostors':<10} {'EER % (95 %)':<24} trivial baseline")
    for name, images in sets.items():
        features = embed(model, images)
        trivial = standardised(np.stack([ink_statistics(grey(path)) for path in images.files]))
        ours = distance_protocol(features, images.known, replicates=args.replicates)
        theirs = distance_protocol(trivial, images.known, replicates=args.replicates, measure="euclidean")
        for kind, measured in ours.items():
            print(f"{name:<18} {kind:<10} {measured!s:<24} {theirs[kind]}", flush=True)
        if name == "sigcomp2009":
            separated, pairs = three_each(features, images)
            print(f"{name:<18} three genuine each: {separated} of {pairs} pairs of writers fully separated")


def three_each(features: np.ndarray, images: ImageSet) -> tuple[int, int]:
    """Count the separated pairs of writers, three genuine signatures each, the first by name."""
    chosen: list[int] = []
    for writer in sorted(set(images.known.writer)):
        own = [i for i, w in enumerate(images.known.writer) if w == writer and not images.known.forged[i]]
        chosen += sorted(own, key=lambda i: images.files[i].name)[:3]
    return separated_pairs(distances(features[chosen]), [images.known.writer[i] for i in chosen])


def load(path: Path) -> StudentTiny:
    """Read a weight file into the network, in float32."""
    tensors = {k.removeprefix("backbone."): v for k, v in load_file(path).items()}
    model = StudentTiny()
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return model.eval()


def grey(path: Path) -> np.ndarray:
    """Read an image file as uint8 ``(H, W)``."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def embed(model: StudentTiny, images: ImageSet) -> np.ndarray:
    """Features of image files, float32 ``(N, D)``."""
    preprocess = SynsigPreprocessor()
    canvases = np.stack([preprocess(grey(path)) for path in images.files])
    with torch.inference_mode():
        return torch.cat(
            [model(p.float() / 255.0) for p in torch.from_numpy(canvases)[:, None].split(64)]
        ).numpy()


if __name__ == "__main__":
    main()
