"""A small ConvNeXt (Liu et al. 2022) over images of any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sigzoo.interfaces import Backbone


class _ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of ``(N, C, h, w)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """Depthwise convolution, normalisation, inverted bottleneck; scaled and added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            _ChannelNorm(channels),
            nn.Conv2d(channels, 4 * channels, 1),
            nn.GELU(),
            nn.Conv2d(4 * channels, channels, 1),
        )
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.scale * self.body(x)
        return added


class StrokeNeXt(Backbone):
    """Three stages of ConvNeXt blocks and a mean over the image; 48 features."""

    layers = ("stage1", "stage2", "stage3", "features")
    input_size = None
    minimum_size = (16, 16)

    def __init__(self, *, widths: Sequence[int] = (16, 32, 48), depths: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__()
        self.feature_dim = widths[-1]
        before = 1
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            side = 4 if number == 1 else 2
            down = nn.Conv2d(before, width, side, stride=side)
            blocks = [_Block(width) for _ in range(depth)]
            self.add_module(f"stage{number}", nn.Sequential(down, _ChannelNorm(width), *blocks))
            before = width
        self.norm = nn.LayerNorm(before)

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_layers(names)
        self.check_input(x)
        found: dict[str, Tensor] = {}
        for name in self.layers:
            x = self.norm(x.mean((2, 3))) if name == "features" else self.get_submodule(name)(x)
            if name in names:
                found[name] = x
        return found
