"""The network of AsmitKT/Signature-Forgery-Detection: three convolutions, a mean, two dense layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from sigzoo.interfaces import Backbone

__all__ = ["AsmitktCnn"]

_WHITE = 255.0


class AsmitktCnn(Backbone):
    """Three convolutions of 3 x 3 (32, 64, 128 channels), their mean over the image, 512 and 128 numbers.

    Input float32 ``(N, 1, 256, 256)`` from 0 to 255, ink bright on 0. It was trained on black ink on
    white, so this network turns its input over first. The program's features are ``embedding``, the last
    dense layer (``dense2``) at length 1. 229 thousand parameters. Modules have the published file's names.
    """

    layers = ("conv1", "conv2", "conv3", "mean", "dense1", "dense2", "embedding")
    feature_dim = 128
    input_size = (256, 256)

    def __init__(self) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(((1, 32), (32, 64), (64, 128)), start=1):
            self.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"bn{number}", nn.BatchNorm2d(outputs))
        self.fc1 = nn.Linear(128, 512)
        self.bn_fc = nn.BatchNorm1d(512)
        self.dropout = nn.Dropout(0.5)
        self.fc_embed = nn.Linear(512, self.feature_dim)

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Compute some of `layers` in one pass; see `sigzoo.interfaces.Backbone`."""
        self.check_layers(names)
        self.check_input(x)
        x = _WHITE - x
        found: dict[str, Tensor] = {}
        for name in self.layers:
            if len(found) == len(set(names)):
                break
            x = self._layer(name, x)
            if name in names:
                found[name] = x
        return found

    def _layer(self, name: str, x: Tensor) -> Tensor:
        """A layer's output from that of the one before."""
        if name.startswith("conv"):
            normalise = self.get_submodule(name.replace("conv", "bn"))
            return functional.max_pool2d(_leaky(normalise(self.get_submodule(name)(x))), 2)
        if name == "mean":
            return x.mean(dim=(2, 3))
        if name == "dense1":
            return _leaky(self.bn_fc(self.fc1(x)))
        if name == "dense2":
            return self.fc_embed(self.dropout(x))  # type: ignore[no-any-return]
        return functional.normalize(x)


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.1)
