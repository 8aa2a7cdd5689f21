"""Add to weights what their local descriptors need: a mean and principal components, which do not learn.

python add_local_descriptors.py MODEL -o FILE [--families 200] [--workers 2]

MODEL is one whose network is a student's. Both are those of synthetic families, half under any conditions and
half in one sitting, taken as `sigzoo train` takes them of its images; all other tensors stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from cli_main import cli_main
from sets import synthetic
from sigzoo_students.families import FamiliesSpec
from sigzoo_students.synsig_presets import LOCAL_DESCRIPTORS, SEED
from torch import Tensor

import sigzoo
from sigzoo.weights import read_weights, save_weights


def main() -> None:
    """Write the model's weights, with those of its local descriptors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name of a model")
    parser.add_argument("-o", "--output", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--families", type=int, default=200, help="of either kind of conditions")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw synthetic writers")
    args = parser.parse_args()
    card, (source, *_) = sigzoo.info(args.model), sigzoo.fetch(args.model)
    options = {**card.backbone.options, "local_descriptors": LOCAL_DESCRIPTORS}
    backbone = sigzoo.backbone(card.backbone.name, **options)
    drawn = [
        synthetic(FamiliesSpec(args.families, first, 6, sittings, SEED), args.workers)[0]
        for first, sittings in ((0, False), (args.families, True))
    ]
    backbone.calibrate(
        batch.float() / 255.0 for images in drawn for batch in torch.from_numpy(images)[:, None].split(256)
    )
    found = read_weights(source, card.weights.format)
    added = {name: each for name, each in backbone.state_dict().items() if name.startswith("local.")}
    heads = {name: _halved(each) for name, each in found.heads.items()}
    save_weights(args.output, _halved({**found.tensors, **added}), heads, found.metadata)
    print(f"{args.output}: {', '.join(added)}")


def _halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In half precision, as the bundled weights are stored; whole numbers as they are."""
    return {name: each.half() if each.is_floating_point() else each for name, each in tensors.items()}


if __name__ == "__main__":
    cli_main(main)
