"""Descriptors of the neighbourhood of every cell of a signature, to be matched one by one."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

from sigzoo_students.gradients import directed, gaussian_slopes

__all__ = ["LocalDescriptors"]


class LocalDescriptors(nn.Module):
    """Appends to features what strokes do in each cell of the picture and around it.

    A cell of 8 x 8 pixels is described as SIFT does it (Lowe, *Distinctive Image Features from
    Scale-Invariant Keypoints*, IJCV 60, 2004): by histograms of oriented gradients of the cell and its eight
    neighbours, here of eight directions of half a turn. Their square roots (Arandjelovic and Zisserman,
    *Three Things Everyone Should Know to Improve Object Retrieval*, CVPR 2012), less their mean, are made one
    long and projected on the first principal components, each divided by the square root of its deviation,
    so that what is common counts less (Jegou and Chum, *Negative Evidences and Co-Occurrences in Image
    Retrieval: the Benefit of PCA and Whitening*, ECCV 2012, who divide by the deviation). Nothing is learnt
    but mean and components, so no habit of synthetic hands is taken for a law of handwriting.

    The squared length of a cell's descriptor is the cell's share of the signature: the square root of its
    ink. A score whose option `local` knows of them (`sigzoo.verification.local_matching`) matches each cell
    with the most similar one nearby, as a stroke is never quite where it was. By itself the cosine similarity
    of such features compares cells at the same place.

    Parameters
    ----------
    size
        Components that are kept.
    picture
        ``(h, w)`` of the picture, whose sides 8 divides.
    """

    cell: ClassVar[int] = 8
    bins: ClassVar[int] = 8
    described: ClassVar[int] = 9 * bins
    """Numbers of a cell and its neighbours, before they are projected."""
    share: ClassVar[float] = 0.25
    """Of the descriptors in the features' cosine similarity."""

    mean: Tensor
    components: Tensor
    slopes: Tensor

    def __init__(self, size: int, picture: tuple[int, int]) -> None:
        super().__init__()
        self.map = size, picture[0] // self.cell, picture[1] // self.cell
        self.size = self.map[0] * self.map[1] * self.map[2]
        self.register_buffer("slopes", gaussian_slopes(1.2, 4), persistent=False)
        self.register_buffer("mean", torch.zeros(self.described))
        self.register_buffer("components", torch.eye(self.described, size))

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        """Return ``(N, D + size)``, of length 1 once calibrated, from ``(N, D)`` and ``(N, 1, h, w)``."""
        with torch.autocast(picture.device.type, enabled=False):
            beyond = F.normalize(self.roots(picture) - self.mean.float()[:, None, None], dim=1)
            components = torch.einsum("ndyx,dc->ncyx", beyond, self.components.float())
            code = F.normalize(components, dim=1) * torch.sqrt(self.shares(picture))
        rest = (1.0 - self.share) ** 0.5 * features.to(code.dtype)
        return torch.cat([rest, self.share**0.5 * code.flatten(1)], dim=1)

    def roots(self, picture: Tensor) -> Tensor:
        """Square roots of the histograms of cells and their neighbours, ``(N, 72, rows, columns)``."""
        slopes = F.conv2d(picture.float(), self.slopes.float(), padding=4)
        _, strengths = directed(slopes[:, 0], slopes[:, 1], self.bins)
        cells = F.pad(F.avg_pool2d(strengths, self.cell), (1, 1, 1, 1))
        _, rows, columns = self.map
        around = [cells[:, :, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
        return torch.sqrt(torch.cat(around, dim=1))

    def shares(self, picture: Tensor) -> Tensor:
        """What each cell is of the signature, ``(N, 1, rows, columns)``; 1 together.

        A blank cell is next to nothing, but not nothing: beside a stroke it has a descriptor worth matching.
        """
        roots = torch.sqrt(F.avg_pool2d(picture.float(), self.cell) + 1e-6)
        return roots / roots.sum(dim=(2, 3), keepdim=True)

    @torch.no_grad()
    def calibrate(self, roots: Tensor) -> None:
        """Take mean and principal components from descriptors ``(M, 72)`` of cells with ink, if any."""
        if not len(roots):
            return
        mean = roots.mean(dim=0)
        beyond = F.normalize(roots - mean, dim=1).double()
        variances, directions = torch.linalg.eigh(beyond.T @ beyond / len(beyond))
        kept = self.map[0]
        scaled = directions[:, -kept:] / variances[-kept:].clamp(min=1e-8) ** 0.25
        self.mean.copy_(mean)
        self.components.copy_(scaled.flip(1))

    def inked(self, picture: Tensor) -> Tensor:
        """Descriptors ``(M, 72)`` of some of the cells that hold ink, to `calibrate` from."""
        cells = self.roots(picture).permute(0, 2, 3, 1)
        return cells[F.avg_pool2d(picture.float(), self.cell)[:, 0] > _INKED][::_EVERY]


_INKED = 1e-3
"""Mean ink of a cell, from 0 to 1, from which on its descriptor counts in mean and components."""
_EVERY = 29
"""One cell of this many is taken."""
