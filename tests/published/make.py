"""Make golden.npz anew: ``python tests/published/make.py CHECKOUT``, a checkout of github.com/luizgh/sigver.

What the published program makes of signatures of invented people, with weights from a seed: nothing in the
file belongs to anybody, so that whoever clones the repository can compare.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

CANVAS = (952, 1360)
LAYERS = ("fc1", "fc2")


def signatures() -> list[NDArray[np.uint8]]:
    """Four scans and a photograph."""
    from sigzoo.synthesis import DatasetSpec, conditions, generate

    clean = generate(DatasetSpec(2, 2, 0, seed=11), workers=1)
    poor = generate(DatasetSpec(1, 1, 0, seed=12, rendering=conditions("photographed")), workers=1)
    return [np.asarray(sample.image) for sample in [*clean, *poor]]


def weights(network: torch.nn.Module, seed: int = 7) -> dict[str, torch.Tensor]:
    """A state dict of the network's shapes from a numpy seed, with statistics as a trained one has."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            found[name] = value
            continue
        shape = tuple(value.shape)
        if name.endswith("running_var"):
            drawn = rng.uniform(0.5, 2.0, shape)
        elif name.endswith("bn.weight"):
            drawn = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            drawn = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        else:
            drawn = rng.normal(0, 0.1, shape)
        found[name] = torch.from_numpy(drawn.astype(np.float32))
    return found


def main() -> None:
    """Run the published program, write the file."""
    sys.path.insert(0, sys.argv[1])
    from sigver.featurelearning.models import SigNet  # type: ignore[import-not-found]
    from sigver.preprocessing.normalize import preprocess_signature  # type: ignore[import-not-found]

    network = SigNet().eval()
    network.load_state_dict(weights(network))
    held: dict[str, NDArray[np.generic]] = {}
    for number, image in enumerate(signatures()):
        prepared = preprocess_signature(image, CANVAS)
        held[f"image-{number}"], held[f"prepared-{number}"] = image, prepared
        with torch.no_grad():
            held[f"features-{number}"] = network(torch.from_numpy(prepared)[None, None].float().div(255))[
                0
            ].numpy()
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **held)


if __name__ == "__main__":
    main()
