"""Student networks: small enough for a laptop without a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Backbone, Size, UsageError
from sigzoo_students.descriptors import InkStatistics, StrokeDirections
from sigzoo_students.local_descriptors import LocalDescriptors

__all__ = ["StudentBase", "StudentTiny"]


class _Unit(nn.Module):
    """Convolution, batch normalisation, ReLU; adds its input where the shape stays the same."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return F.relu(y + x if self.same else y, inplace=True)


class _Student(Backbone):
    """Stages that halve the image; features of length 1 from where things are and how strokes look."""

    stem: _Unit
    squeeze: nn.Module
    fc: nn.Linear
    bn: nn.BatchNorm1d
    local: LocalDescriptors | None
    directions: StrokeDirections | None
    ink: InkStatistics | None
    described: ClassVar[tuple[str, ...]]
    """Layers whose channels' mean and deviation over the image enter the features."""

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Compute some of `layers`; see `Backbone.forward_layers`."""
        self.check_layers(names)
        self.check_input(x)
        wanted: dict[str, Tensor] = {}
        strokes: list[Tensor] = []
        height = x.shape[2] - self._rows
        picture, levels = x[:, :, :height].contiguous(), x[:, :, height:]
        x = picture
        for name in self.layers[: 1 + max((self.layers.index(n) for n in names), default=-1)]:
            if name == "embedding":
                x = self._embed(x, strokes)
            elif name == "with_local":
                # Beside the way to the features: no later layer holds the descriptors.
                if name in names:
                    assert self.local is not None
                    wanted[name] = self.local(x, picture)
                continue
            elif name == "with_directions":
                assert self.directions is not None
                x = self.directions(x, picture)
            elif name == "with_ink":
                assert self.ink is not None
                x = self.ink(x, levels, picture)
            else:
                x = self.get_submodule(name)(x)
            if name in self.described:
                strokes.append(x)
            if name in names:
                wanted[name] = x
        return wanted

    def _embed(self, placed: Tensor, strokes: list[Tensor]) -> Tensor:
        described = [torch.flatten(placed, 1)]
        for each in strokes:
            mean = each.mean(dim=(2, 3), keepdim=True)
            variance = (each - mean).square().mean(dim=(2, 3))
            described += [mean.flatten(1), torch.sqrt(variance + 1e-4)]
        return F.normalize(self.bn(self.fc(torch.cat(described, dim=1))), dim=1)

    def layer_from_features(self, name: str) -> Tensor | None:
        """Map features to ``embedding`` or a later layer: their first part, made as long as it was."""
        size, factor, found = self.fc.out_features, 1.0, name == "embedding"
        for layer, part in (("with_directions", self.directions), ("with_ink", self.ink)):
            if part is None:
                continue
            if found:
                factor *= 1.0 + part.weight
            else:
                size, found = size + part.size, layer == name
        return factor**0.5 * torch.eye(size, self.feature_dim) if found else None

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Take from training images the mean of strokes' directions, and what local descriptors need."""
        if self.directions is None and self.local is None:
            return
        roots, cells = [], []
        for x in batches:
            picture = x[:, :, : x.shape[2] - self._rows]
            if self.directions is not None:
                roots.append(self.directions.roots(picture).cpu())
            if self.local is not None:
                cells.append(self.local.inked(picture).cpu())
        if self.directions is not None:
            self.directions.mean.copy_(torch.cat(roots).mean(dim=0))
        if self.local is not None:
            self.local.calibrate(torch.cat(cells))

    def _finish(
        self,
        feature_dim: int,
        size: Size,
        ink_weight: float | None,
        directions_weight: float,
        local_descriptors: int,
        *,
        squeeze: int,
        last: int,
        described: int,
    ) -> None:
        """Build what follows the stages."""
        if ink_weight is not None and not 0 <= ink_weight <= 1:
            raise UsageError(f"ink_weight must be from 0 to 1, or none, got {ink_weight}.")
        if not 0 <= directions_weight <= 1:
            raise UsageError(f"directions_weight must be from 0 to 1, got {directions_weight}.")
        most, cell = LocalDescriptors.described, LocalDescriptors.cell
        if not 0 <= local_descriptors <= most or (local_descriptors and (size[0] % cell or size[1] % cell)):
            raise UsageError(
                f"local_descriptors must be from 0 to {most}, and {cell} divide both sides of the picture,"
                f" got {local_descriptors} and {size}."
            )
        self._rows = 0 if ink_weight is None else 3
        stride = self.stem.conv.stride[0]
        self.directions = StrokeDirections(directions_weight, stride) if directions_weight else None
        self.ink = InkStatistics(ink_weight) if ink_weight else None
        self.feature_dim = feature_dim
        self.local = LocalDescriptors(local_descriptors, size) if local_descriptors else None
        if self.local is not None:
            self.layers = (*self.layers, "with_local")
        for name, part in (("with_directions", self.directions), ("with_ink", self.ink)):
            if part is not None:
                self.feature_dim += part.size
                self.layers = (*self.layers, name)
        self.scanner_layers = ("with_ink",) if self.ink is not None else ()
        if self.layers[-1] == "with_local":
            raise UsageError("local_descriptors need an ink_weight or a directions_weight beside them.")
        self.input_size = size[0] + self._rows, size[1]
        self.squeeze = _Unit(last, squeeze, 1, 1)
        height, width = (-(-side // 16) for side in size)  # each stride rounds up
        self.fc = nn.Linear(squeeze * height * width + 2 * described, feature_dim, bias=False)
        self.bn = nn.BatchNorm1d(feature_dim)


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(_Unit(inputs, outputs, 3, 2), *(_Unit(outputs, outputs, 3, 1) for _ in range(depth)))


def _checked_size(input_size: Sequence[int]) -> tuple[int, int]:
    if len(input_size) != 2 or min(input_size) < 16:
        raise UsageError(f"input_size must be two sides of at least 16, got {tuple(input_size)}.")
    return int(input_size[0]), int(input_size[1])


def _check_shape(widths: Sequence[int], depths: Sequence[int], stages: int, *sizes: int) -> None:
    right = len(widths) == stages + 1 and len(depths) == stages
    if not right or min([*widths, *sizes]) < 1 or min(depths) < 0:
        raise UsageError(
            f"widths must be {_NUMBERS[stages + 1]} positive numbers, depths {_NUMBERS[stages]} from 0 on."
        )


_NUMBERS = {2: "two", 3: "three", 4: "four"}


class StudentTiny(_Student):
    """A small residual network whose features have length 1.

    Euclidean distance ``d`` and cosine similarity ``c`` of such features say the same:
    ``d * d = 2 - 2 * c``. They see where things are (``squeeze``) and, wherever it is, how
    strokes look (mean and deviation of ``stage2``).

    Parameters
    ----------
    input_size
        ``(h, w)`` of the picture, each at least 16.
    widths
        Channels of the stem and of the two stages.
    depths
        Residual convolutions after the first one of each stage.
    squeeze
        Channels that keep their place in the image on the way to the features.
    feature_dim
        Size of the learnt feature vector, ``embedding``; ``with_directions`` and ``with_ink``, where they
        are asked for, add 168 and 256 in this order.
    ink_weight
        Weight of the ink's statistics in the features (see `InkStatistics`), which come as three rows
        below the picture; 0 passes over the rows, none means that the images have none.
    directions_weight
        Weight of the strokes' directions in the features (see `StrokeDirections`); 0 leaves them out.
    local_descriptors
        Numbers that describe each cell of 8 x 8 pixels in the layer ``with_local`` (see `LocalDescriptors`),
        which is ``embedding`` and these; 0 leaves it out.
    """

    layers = ("stem", "stage1", "stage2", "squeeze", "embedding")
    described = ("stage2",)

    def __init__(
        self,
        *,
        input_size: Sequence[int] = (96, 192),
        widths: Sequence[int] = (32, 64, 96),
        depths: Sequence[int] = (1, 2),
        squeeze: int = 24,
        feature_dim: int = 160,
        ink_weight: float | None = None,
        directions_weight: float = 0.0,
        local_descriptors: int = 0,
    ) -> None:
        super().__init__()
        _check_shape(widths, depths, 2, squeeze, feature_dim)
        size = _checked_size(input_size)
        stem, near, far = widths
        self.stem = _Unit(1, stem, 9, 4)
        self.stage1 = _stage(stem, near, depths[0])
        self.stage2 = _stage(near, far, depths[1])
        self._finish(
            feature_dim,
            size,
            ink_weight,
            directions_weight,
            local_descriptors,
            squeeze=squeeze,
            last=far,
            described=far,
        )


class StudentBase(_Student):
    """A residual network with three stages, whose features have length 1, as `StudentTiny`'s have.

    It looks at strokes at half the resolution first, where `StudentTiny` begins with a quarter.

    Parameters
    ----------
    input_size
        ``(h, w)`` of the picture, each at least 16.
    widths
        Channels of the stem and of the three stages.
    depths
        Residual convolutions after the first one of each stage.
    squeeze
        Channels that keep their place in the image on the way to the features.
    feature_dim
        Size of the learnt feature vector, ``embedding``; ``with_directions`` and ``with_ink``, where they
        are asked for, add 168 and 256 in this order.
    ink_weight
        Weight of the ink's statistics in the features (see `InkStatistics`), which come as three rows
        below the picture; 0 passes over the rows, none means that the images have none.
    directions_weight
        Weight of the strokes' directions in the features (see `StrokeDirections`); 0 leaves them out.
    local_descriptors
        Numbers that describe each cell of 8 x 8 pixels in the layer ``with_local`` (see `LocalDescriptors`),
        which is ``embedding`` and these; 0 leaves it out.
    """

    layers = ("stem", "stage1", "stage2", "stage3", "squeeze", "embedding")
    described = ("stage2", "stage3")

    def __init__(
        self,
        *,
        input_size: Sequence[int] = (96, 192),
        widths: Sequence[int] = (16, 48, 128, 192),
        depths: Sequence[int] = (1, 2, 2),
        squeeze: int = 32,
        feature_dim: int = 256,
        ink_weight: float | None = None,
        directions_weight: float = 0.0,
        local_descriptors: int = 0,
    ) -> None:
        super().__init__()
        _check_shape(widths, depths, 3, squeeze, feature_dim)
        size = _checked_size(input_size)
        stem, near, middle, far = widths
        self.stem = _Unit(1, stem, 5, 2)
        self.stage1 = _stage(stem, near, depths[0])
        self.stage2 = _stage(near, middle, depths[1])
        self.stage3 = _stage(middle, far, depths[2])
        self._finish(
            feature_dim,
            size,
            ink_weight,
            directions_weight,
            local_descriptors,
            squeeze=squeeze,
            last=far,
            described=middle + far,
        )
