"""The published PyTorch program (luizgh/sigver) beside ours: the same weights in both, the same files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import sigzoo
from sigzoo.weights import save_weights

__all__ = ["PublishedProgram", "seeded_weights"]

CANVAS = (952, 1360)
BATCH = 32


def seeded_weights(folder: Path) -> Path:
    """Weights for SigNet from a seed, with statistics of a trained network's size; a file for `weights=`."""
    torch.manual_seed(21)
    network: nn.Module = sigzoo.backbone("signet")
    for each in network.modules():
        if isinstance(each, nn.BatchNorm2d | nn.BatchNorm1d):
            assert each.running_mean is not None
            assert each.running_var is not None
            each.running_mean.uniform_(-0.05, 0.05)
            each.running_var.uniform_(0.5, 1.5)
    return save_weights(folder / "signet.safetensors", dict(network.state_dict()), {}, {})


class PublishedProgram:
    """A checkout of sigver: its preprocessing, its network, as its example calls them, in batches of 32.

    The example computes one image at a time; batches are kind to it, and so is Pillow, which decodes in place
    of scikit-image.
    """

    def __init__(self, checkout: Path, weights: Path) -> None:
        sys.path.insert(0, str(checkout))
        self.preprocess = importlib.import_module("sigver.preprocessing.normalize").preprocess_signature
        self.network: Any = importlib.import_module("sigver.featurelearning.models").SigNet()
        model = sigzoo.load("signet.pytorch", weights=weights, device="cpu")
        self.network.load_state_dict(model.backbone.state_dict())
        self.network.eval()

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Read a file as grey."""
        return np.asarray(Image.open(path).convert("L"))

    def forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of preprocessed images, ``(N, 150, 220)``."""
        with torch.no_grad():
            found: NDArray[np.float32] = self.network(
                torch.from_numpy(images[:, np.newaxis]).float().div(255)
            ).numpy()
        return found

    def embed(self, paths: list[Path]) -> NDArray[np.float32]:
        """Features of files."""
        rows = []
        for first in range(0, len(paths), BATCH):
            some = [self.preprocess(self.decode(path), CANVAS) for path in paths[first : first + BATCH]]
            rows.append(self.forward(np.stack(some)))
        return np.concatenate(rows)
