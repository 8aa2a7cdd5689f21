"""SigNet-SPP (Hafemann et al. 2018): features of a fixed size from signatures of any size."""

from __future__ import annotations

import torch
from sigzoo_signet.networks import LayeredBackbone, conv_block, dense_block, named_sequential
from torch import Tensor, nn
from torch.nn import functional

from sigzoo.interfaces import Size

__all__ = ["SigNetSPP300", "SigNetSPP600", "SpatialPyramid"]

_BINS = (4, 2, 1)


class SpatialPyramid(nn.Module):
    """Maxima over 4 x 4, 2 x 2 and 1 x 1 regions: ``(N, C, h, w)`` to ``(N, C, 21)``.

    Region i of n over a side s goes from ``floor(i * s / n)`` to ``ceil((i + 1) * s / n)``, so
    that any size from 1 x 1 on gives 21 maxima. Bins: the 16 row by row, the 4, the 1.

    References
    ----------
    He, Zhang, Ren, Sun, Spatial pyramid pooling in deep convolutional networks for visual
    recognition, ECCV 2014.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(N, C, h, w)`` to ``(N, C, 21)``."""
        return torch.cat([functional.adaptive_max_pool2d(x, bins).flatten(2) for bins in _BINS], dim=2)


class _SigNetSPP(LayeredBackbone):
    """The network of both resolutions, which differ in three strides only.

    Layers ``large_conv1 large_pool1 large_conv2 large_pool2 large_conv3 large_conv4 large_pool4
    large_conv5 large_pool5 fc1 fc2``; ``large_pool5`` is the pyramid, ``(N, 128, 21)``.
    """

    feature_dim = 2048
    input_size: Size | None = None

    def __init__(self, *, conv1_stride: int, pool1_stride: int, pool2_stride: int) -> None:
        convolutions = named_sequential(
            conv1=conv_block(1, 32, 11, stride=conv1_stride, pad=5),
            pool1=nn.MaxPool2d(3, pool1_stride),
            conv2=conv_block(32, 64, 5, pad=2),
            pool2=nn.MaxPool2d(3, pool2_stride),
            conv3=conv_block(64, 128, 3, pad=1),
            conv4=conv_block(128, 128, 3, pad=1),
            pool4=nn.MaxPool2d(2, 2),
            conv5=conv_block(128, 128, 3, pad=1),
            pool5=SpatialPyramid(),
        )
        names = {name: f"large_{name}" for name, _ in convolutions.named_children()}
        regions = sum(bins * bins for bins in _BINS)
        dense = named_sequential(fc1=dense_block(128 * regions, 2048), fc2=dense_block(2048, 2048))
        super().__init__(convolutions, dense, names)
        side = _side_before(conv1_stride, pool1_stride, pool2_stride)
        self.minimum_size = (side, side)

    def check_input(self, x: Tensor) -> None:
        """Raise `ImageError` for a batch that is not ``(N, 1, h, w)`` of at least `minimum_size`.

        What fits is compared as it is: turned into numbers first, as the messages need them, the
        sizes would become constants of an exported program.
        """
        height, width = self.minimum_size
        if not (x.ndim == 4 and x.shape[1] == 1 and x.shape[2] >= height and x.shape[3] >= width):
            super().check_input(x)


class SigNetSPP300(_SigNetSPP):
    """SigNet-SPP for scans of 300 dpi; images of any size from 37 x 37 on.

    What `torch.export` makes of it with a free height and width takes sides from 73 on, unless it
    is exported with torch's setting ``backed_size_oblivious``: then from 37 on, too (see README).

    Trained on signatures padded to a canvas of 476 x 680, of which 428 x 612 went in.

    References
    ----------
    Hafemann, Oliveira, Sabourin, Fixed-sized representation learning from Offline Handwritten
    Signatures of different sizes, IJDAR 2018. doi 10.1007/s10032-018-0301-6
    """

    def __init__(self) -> None:
        super().__init__(conv1_stride=3, pool1_stride=2, pool2_stride=3)


class SigNetSPP600(_SigNetSPP):
    """SigNet-SPP for scans of 600 dpi; images of any size from 57 x 57 on.

    What `torch.export` makes of it with a free height and width takes sides from 105 on, unless it
    is exported with torch's setting ``backed_size_oblivious``: then from 57 on, too (see README).

    Trained on signatures padded to a canvas of 952 x 1360, of which 856 x 1224 went in. Its
    weights have the shapes of those for 300 dpi: nothing in a file tells the two apart.

    References
    ----------
    Hafemann, Oliveira, Sabourin, Fixed-sized representation learning from Offline Handwritten
    Signatures of different sizes, IJDAR 2018. doi 10.1007/s10032-018-0301-6
    """

    def __init__(self) -> None:
        super().__init__(conv1_stride=4, pool1_stride=3, pool2_stride=2)


def _side_before(conv1_stride: int, pool1_stride: int, pool2_stride: int) -> int:
    """Smallest side of an image that leaves one pixel for the pyramid."""
    before_pool4 = 2
    before_pool2 = (before_pool4 - 1) * pool2_stride + 3
    before_pool1 = (before_pool2 - 1) * pool1_stride + 3
    return (before_pool1 - 1) * conv1_stride + 1
