"""Student networks: small enough for a laptop without a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Backbone, Size, UsageError

__all__ = ["InkStatistics", "StrokeDirections", "StudentBase", "StudentTiny"]


class _Unit(nn.Module):
    """Convolution, batch normalisation, ReLU; adds its input where the shape stays the same."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled() and not self.training:
            return self._folded(x)
        y: Tensor = self.bn(self.conv(x))
        return F.relu(y + x) if self.same else F.relu(y)

    def _folded(self, x: Tensor) -> Tensor:
        """Do all in one convolution and in its place, which no hook on `bn` sees: in inference mode alone."""
        assert self.bn.running_mean is not None
        assert self.bn.running_var is not None
        factor = self.bn.weight * torch.rsqrt(self.bn.running_var + self.bn.eps)
        weight = self.conv.weight * factor.view(-1, 1, 1, 1)
        bias = self.bn.bias - self.bn.running_mean * factor
        y = F.conv2d(x, weight, bias, self.conv.stride, self.conv.padding)
        if self.same:
            y += x
        return F.relu_(y)


class InkStatistics(nn.Module):
    """Appends to features what line length, stroke width, darkness and proportions say, as far as they agree.

    Absolute size, pen and ink tell writers apart where they were recorded alike, and mislead where
    they were not; proportions tell them apart where the shape was copied. So the cosine similarity c of two
    signatures' features becomes ``(c + weight * k) / (1 + weight)`` with a Gaussian kernel k of the four: 1
    where all agree, and about 0 where one does not, however far they are apart. The kernel is that of random
    Fourier features (Rahimi and Recht, *Random Features for Large-Scale Kernel Machines*, NIPS 2007; here
    within 0.06 or so), whose frequencies are a low-discrepancy sequence's, stored with the weights.

    Parameters
    ----------
    weight
        Above 0; chosen on synthetic writers and crossmedia's validation split.
    """

    scales: ClassVar[tuple[float, float, float, float]] = (0.4, 0.2, 0.03, 0.5)
    """Deviations of the kernel: in logarithms of length and width, in darkness from 0 to 1, and in the
    logarithm of how far the ink spreads across over how far it spreads down."""
    ranges: ClassVar[tuple[float, float, float]] = (12.0, 6.0, 1.0)
    """What the level 1 stands for, as the preprocessor `synsig` writes it."""
    waves: ClassVar[int] = 128

    frequencies: Tensor

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight, self.size = weight, 2 * self.waves
        sequence = torch.quasirandom.SobolEngine(len(self.scales))  # type: ignore[no-untyped-call]
        uniform = sequence.draw(self.waves + 1)[1:]
        normal = torch.erfinv(2.0 * uniform - 1.0) * 2.0**0.5
        per_level = torch.tensor([*self.ranges, 1.0]) / torch.tensor(self.scales)
        self.register_buffer("frequencies", normal * per_level)

    def forward(self, features: Tensor, levels: Tensor, picture: Tensor) -> Tensor:
        """Return ``(N, D + 2 * waves)``, of length 1.

        Parameters
        ----------
        features
            ``(N, D)``, of length 1.
        levels
            ``(N, 1, 3, w)``: the preprocessor's rows of length, width and darkness.
        picture
            ``(N, 1, h, w)``, ink bright on 0, which shows the proportions.
        """
        with torch.autocast(levels.device.type, enabled=False):
            numbers = [levels.float().mean(dim=(1, 3)), _proportions(picture.float())[:, None]]
            phase = torch.cat(numbers, dim=1) @ self.frequencies.float().T
        code = torch.cat([torch.cos(phase), torch.sin(phase)], dim=1) * self.waves**-0.5
        share = 1.0 / (1.0 + self.weight)
        return torch.cat([share**0.5 * features, (1.0 - share) ** 0.5 * code], dim=1)


def _proportions(picture: Tensor) -> Tensor:
    """Logarithm of how far ink spreads across over how far it spreads down, ``(N,)``; 0 on blank paper."""
    across, down = (_variance(picture[:, 0].sum(dim=dim)) for dim in (1, 2))
    return 0.5 * torch.log(across / down)


def _variance(mass: Tensor) -> Tensor:
    """Of the places where mass ``(N, side)`` lies, in square pixels, and 1; ``(N,)``."""
    share = mass / mass.sum(dim=1, keepdim=True).clamp(min=1e-6)
    places = torch.arange(mass.shape[1], dtype=mass.dtype, device=mass.device)
    off = places - (share * places).sum(dim=1, keepdim=True)
    return (share * off * off).sum(dim=1) + 1.0


class StrokeDirections(nn.Module):
    """Appends to features which directions strokes have, and where.

    Two histograms of oriented gradients (Dalal and Triggs, *Histograms of Oriented Gradients for Human
    Detection*, CVPR 2005) that learn nothing, and so take no habit of synthetic hands for a law of
    handwriting. One is of overlapping cells whose borders share the ink evenly, so that a word written
    wider, or a flourish drawn longer, leaves the other cells where they are. One is of overlapping bands
    over the picture's whole width: how high strokes of each direction stand. Their shares enter by their
    square roots (Hellinger's kernel; Arandjelovic and Zisserman, *Three Things Everyone Should Know to
    Improve Object Retrieval*, CVPR 2012), less their mean over signatures. The cosine similarity c of two
    signatures' features becomes ``(c + weight * h) / (1 + weight)`` with the mean h of the two cosine
    similarities of what the histograms have beyond their means.

    Parameters
    ----------
    weight
        Above 0; `docs/models.md` tells how 0.6 was chosen.
    stride
        Pixels from one gradient to the next, across and down.
    """

    bins: ClassVar[int] = 12
    """Directions, of half a turn: the two sides of a stroke count alike."""
    cells: ClassVar[Size] = (2, 4)
    """Rows and columns of cells that share the ink."""
    bands: ClassVar[int] = 6
    sizes: ClassVar[Size] = (bins * cells[0] * cells[1], bins * bands)
    size: ClassVar[int] = sum(sizes)

    mean: Tensor
    slopes: Tensor

    def __init__(self, weight: float, stride: int = 2) -> None:
        super().__init__()
        self.weight, self.stride = weight, stride
        self.register_buffer("slopes", _slopes(1.2, 4), persistent=False)
        self.register_buffer("mean", torch.zeros(self.size))

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        """Return ``(N, D + 168)``, of length 1, from features ``(N, D)`` and pictures ``(N, 1, h, w)``."""
        share = 1.0 / (1.0 + self.weight)
        beyond = self.roots(picture) - self.mean
        cells, bands = beyond[:, : self.sizes[0]], beyond[:, self.sizes[0] :]
        code = torch.cat([F.normalize(cells, dim=1), F.normalize(bands, dim=1)], dim=1)
        return torch.cat([share**0.5 * features, (0.5 - 0.5 * share) ** 0.5 * code], dim=1)

    def roots(self, picture: Tensor) -> Tensor:
        """Square roots of the shares of cells, bands and directions, ``(N, 168)``; smooth on blank paper."""
        with torch.autocast(picture.device.type, enabled=False):
            slopes = F.conv2d(picture.float(), self.slopes.float(), stride=self.stride, padding=4)
            strength, directed = self._directed(slopes[:, 0], slopes[:, 1])
            columns = _tents(self.cells[1], _mass_below(strength.sum(dim=1)))
            rows = _tents(self.cells[0], _mass_below(strength.sum(dim=2)))
            bands = _tents(self.bands, _places(strength.shape[1], like=strength))
            across = directed.flatten(1, 2) @ columns.transpose(1, 2)
            in_cells = rows[:, None] @ across.reshape(*directed.shape[:3], -1)
            sums = in_cells.flatten(1), (directed.sum(dim=3) @ bands.T).flatten(1)
        shares = [each / (each.sum(dim=1, keepdim=True) + 1e-6) for each in sums]
        return torch.sqrt(torch.cat(shares, dim=1) + 1e-6)

    def _directed(self, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
        """Strength of gradients, ``(N, h, w)``, and what each direction has of it, ``(N, bins, h, w)``."""
        strength = torch.sqrt(across * across + down * down + 1e-18)
        across = torch.where((across == 0) & (down == 0), torch.ones_like(across), across)
        place = torch.remainder(torch.atan2(down, across), torch.pi) * (self.bins / torch.pi)
        centres = torch.arange(self.bins, dtype=place.dtype, device=place.device)
        off = (place[:, None] - centres[:, None, None]).abs()
        return strength, strength[:, None] * (1.0 - torch.minimum(off, self.bins - off)).clamp(min=0.0)


def _slopes(deviation: float, reach: int) -> Tensor:
    """Derivatives across and down of a Gaussian, ``(2, 1, 2 * reach + 1, 2 * reach + 1)``."""
    places = torch.arange(-reach, reach + 1).float()
    smooth = torch.exp(-0.5 * (places / deviation) ** 2)
    smooth = smooth / smooth.sum()
    steep = -places / deviation**2 * smooth
    return torch.stack([torch.outer(smooth, steep), torch.outer(steep, smooth)])[:, None]


def _places(side: int, like: Tensor) -> Tensor:
    """Centres of pixels, from 0 to 1, ``(side,)``."""
    return (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) / side


def _mass_below(mass: Tensor) -> Tensor:
    """Which share of the mass lies before the middle of each pixel; ``(N, side)`` to ``(N, side)``."""
    before = mass.cumsum(dim=1) - 0.5 * mass
    return before / mass.sum(dim=1, keepdim=True).clamp(min=1e-6)


def _tents(count: int, places: Tensor) -> Tensor:
    """How much places from 0 to 1, ``(..., side)``, count for overlapping parts; ``(..., count, side)``."""
    numbers = torch.arange(count, dtype=places.dtype, device=places.device)
    return (1.0 - (places[..., None, :] * count - 0.5 - numbers[:, None]).abs()).clamp(min=0.0)


class _Student(Backbone):
    """Stages that halve the image; features of length 1 from where things are and how strokes look."""

    stem: _Unit
    squeeze: nn.Module
    fc: nn.Linear
    bn: nn.BatchNorm1d
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

    def _finish(
        self,
        feature_dim: int,
        size: Size,
        ink_weight: float | None,
        directions_weight: float,
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
        self._rows = 0 if ink_weight is None else 3
        stride = self.stem.conv.stride[0]
        self.directions = StrokeDirections(directions_weight, stride) if directions_weight else None
        self.ink = InkStatistics(ink_weight) if ink_weight else None
        self.feature_dim = feature_dim
        for name, part in (("with_directions", self.directions), ("with_ink", self.ink)):
            if part is not None:
                self.feature_dim += part.size
                self.layers = (*self.layers, name)
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
    ) -> None:
        super().__init__()
        _check_shape(widths, depths, 2, squeeze, feature_dim)
        size = _checked_size(input_size)
        stem, near, far = widths
        self.stem = _Unit(1, stem, 9, 4)
        self.stage1 = _stage(stem, near, depths[0])
        self.stage2 = _stage(near, far, depths[1])
        self._finish(
            feature_dim, size, ink_weight, directions_weight, squeeze=squeeze, last=far, described=far
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
            squeeze=squeeze,
            last=far,
            described=middle + far,
        )
