"""What student networks append to the features that they learn: ink, proportions, directions of strokes."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo.interfaces import Size
from sigzoo_students.gradients import directed, gaussian_slopes

__all__ = ["InkStatistics", "StrokeDirections"]


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
        share, features = 1.0 / (1.0 + self.weight), _at_least_float32(features)
        return torch.cat([share**0.5 * features, (1.0 - share) ** 0.5 * code], dim=1)


def _at_least_float32(features: Tensor) -> Tensor:
    """Features that a network computed in half precision, in the precision of what is appended."""
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features


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
        Above 0; `docs/models-made.md` tells how 0.6 was chosen.
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
        self.register_buffer("slopes", gaussian_slopes(1.2, 4), persistent=False)
        self.register_buffer("mean", torch.zeros(self.size))

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        """Return ``(N, D + 168)``, of length 1, from features ``(N, D)`` and pictures ``(N, 1, h, w)``."""
        share, features = 1.0 / (1.0 + self.weight), _at_least_float32(features)
        beyond = self.roots(picture) - self.mean
        cells, bands = beyond[:, : self.sizes[0]], beyond[:, self.sizes[0] :]
        code = torch.cat([F.normalize(cells, dim=1), F.normalize(bands, dim=1)], dim=1)
        return torch.cat([share**0.5 * features, (0.5 - 0.5 * share) ** 0.5 * code], dim=1)

    def roots(self, picture: Tensor) -> Tensor:
        """Square roots of the shares of cells, bands and directions, ``(N, 168)``; smooth on blank paper."""
        with torch.autocast(picture.device.type, enabled=False):
            slopes = F.conv2d(picture.float(), self.slopes.float(), stride=self.stride, padding=4)
            strength, strengths = directed(slopes[:, 0], slopes[:, 1], self.bins)
            columns = _tents(self.cells[1], _mass_below(strength.sum(dim=1)))
            rows = _tents(self.cells[0], _mass_below(strength.sum(dim=2)))
            bands = _tents(self.bands, _places(strength.shape[1], like=strength))
            across = strengths.flatten(1, 2) @ columns.transpose(1, 2)
            in_cells = rows[:, None] @ across.reshape(*strengths.shape[:3], -1)
            sums = in_cells.flatten(1), (strengths.sum(dim=3) @ bands.T).flatten(1)
        shares = [each / (each.sum(dim=1, keepdim=True) + 1e-6) for each in sums]
        return torch.sqrt(torch.cat(shares, dim=1) + 1e-6)


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
