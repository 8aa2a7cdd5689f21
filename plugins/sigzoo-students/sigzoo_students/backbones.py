"""Student networks: small enough for a laptop without a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Backbone, Size, UsageError

__all__ = ["StudentTiny"]


class _Unit(nn.Module):
    """Convolution, batch normalisation, ReLU; adds its input where the shape stays the same."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return F.relu(y + x) if self.same else F.relu(y)


class StudentTiny(Backbone):
    """A small residual network whose features have length 1.

    Euclidean distance ``d`` and cosine similarity ``c`` of such features say the same:
    ``d * d = 2 - 2 * c``. They see where things are (``squeeze``) and, wherever it is, how
    strokes look (mean and deviation of ``stage2``).

    Parameters
    ----------
    input_size
        ``(h, w)``, each at least 16.
    widths
        Channels of the stem and of the two stages.
    depths
        Residual convolutions after the first one of each stage.
    squeeze
        Channels that keep their place in the image on the way to the features.
    feature_dim
        Size of the feature vector.
    """

    layers = ("stem", "stage1", "stage2", "squeeze", "embedding")

    def __init__(
        self,
        *,
        input_size: Sequence[int] = (96, 192),
        widths: Sequence[int] = (32, 64, 96),
        depths: Sequence[int] = (1, 2),
        squeeze: int = 24,
        feature_dim: int = 160,
    ) -> None:
        super().__init__()
        if len(input_size) != 2 or min(input_size) < 16:
            raise UsageError(f"input_size must be two sides of at least 16, got {tuple(input_size)}.")
        if (
            len(widths) != 3
            or len(depths) != 2
            or min([*widths, squeeze, feature_dim]) < 1
            or min(depths) < 0
        ):
            raise UsageError("widths must be three positive numbers, depths two from 0 on.")
        self.input_size: Size = (int(input_size[0]), int(input_size[1]))
        self.feature_dim = feature_dim
        stem, near, far = widths
        self.stem = _Unit(1, stem, 9, 4)
        self.stage1 = nn.Sequential(
            _Unit(stem, near, 3, 2), *(_Unit(near, near, 3, 1) for _ in range(depths[0]))
        )
        self.stage2 = nn.Sequential(
            _Unit(near, far, 3, 2), *(_Unit(far, far, 3, 1) for _ in range(depths[1]))
        )
        self.squeeze = _Unit(far, squeeze, 1, 1)
        height, width = (-(-side // 16) for side in self.input_size)  # each stride rounds up
        places = height * width
        self.fc = nn.Linear(squeeze * places + 2 * far, feature_dim, bias=False)
        self.bn = nn.BatchNorm1d(feature_dim)

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Compute some of ``stem stage1 stage2 squeeze embedding``; see `Backbone.forward_layers`."""
        self.check_layers(names)
        self.check_input(x)
        wanted: dict[str, Tensor] = {}
        before = x
        for name in self.layers[: 1 + max((self.layers.index(n) for n in names), default=-1)]:
            before, x = x, self._embed(x, before) if name == "embedding" else self.get_submodule(name)(x)
            if name in names:
                wanted[name] = x
        return wanted

    def _embed(self, placed: Tensor, strokes: Tensor) -> Tensor:
        mean = strokes.mean(dim=(2, 3))
        deviation = torch.sqrt(strokes.var(dim=(2, 3), correction=0) + 1e-4)
        described = torch.cat([torch.flatten(placed, 1), mean, deviation], dim=1)
        return F.normalize(self.bn(self.fc(described)), dim=1)
