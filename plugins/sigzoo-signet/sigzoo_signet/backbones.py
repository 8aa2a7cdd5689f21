"""SigNet (Hafemann et al. 2017) and the two smaller variants that sigver defines."""

from __future__ import annotations

from torch import nn

from sigzoo.interfaces import Size
from sigzoo_signet.networks import LayeredBackbone, conv_block, dense_block, named_sequential

__all__ = ["SigNet", "SigNetSmaller", "SigNetThin"]


def _convolutions(conv2: int, conv3: int, conv4: int, conv5: int) -> nn.Sequential:
    """The convolutions and pools of SigNet and SigNet-thin, which differ in their channels."""
    return named_sequential(
        conv1=conv_block(1, 96, 11, stride=4),
        pool1=nn.MaxPool2d(3, 2),
        conv2=conv_block(96, conv2, 5, pad=2),
        pool2=nn.MaxPool2d(3, 2),
        conv3=conv_block(conv2, conv3, 3, pad=1),
        conv4=conv_block(conv3, conv4, 3, pad=1),
        conv5=conv_block(conv4, conv5, 3, pad=1),
        pool5=nn.MaxPool2d(3, 2),
    )


class SigNet(LayeredBackbone):
    """SigNet: five convolutions, two dense layers, 2048 features; 15.8 M parameters, 0.602 GMAC.

    Input ``(N, 1, 150, 220)``; layers ``conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc1 fc2``.
    SigNet-F has the same network.

    References
    ----------
    Hafemann, Sabourin, Oliveira, Learning Features for Offline Handwritten Signature Verification
    using Deep CNNs, Pattern Recognition 70, 2017, table 2. doi 10.1016/j.patcog.2017.05.012
    """

    input_size: Size | None = (150, 220)
    feature_dim = 2048

    def __init__(self) -> None:
        super().__init__(
            _convolutions(256, 384, 384, 256),
            named_sequential(fc1=dense_block(256 * 3 * 5, 2048), fc2=dense_block(2048, 2048)),
        )


class SigNetThin(LayeredBackbone):
    """SigNet with 128 channels from conv2 on and 1024 features (sigver's ``SigNet_thin``).

    Input ``(N, 1, 150, 220)``; layers as SigNet.
    """

    input_size: Size | None = (150, 220)
    feature_dim = 1024

    def __init__(self) -> None:
        super().__init__(
            _convolutions(128, 128, 128, 128),
            named_sequential(fc1=dense_block(128 * 3 * 5, 1024), fc2=dense_block(1024, 1024)),
        )


class SigNetSmaller(LayeredBackbone):
    """SigNet without conv4 and fc2, 2048 features (sigver's ``SigNet_smaller``).

    Input ``(N, 1, 150, 220)``; layers ``conv1 pool1 conv2 pool2 conv3 conv5 pool5 fc1``.
    """

    input_size: Size | None = (150, 220)
    feature_dim = 2048

    def __init__(self) -> None:
        super().__init__(
            named_sequential(
                conv1=conv_block(1, 96, 11, stride=4),
                pool1=nn.MaxPool2d(3, 2),
                conv2=conv_block(96, 256, 5, pad=2),
                pool2=nn.MaxPool2d(3, 2),
                conv3=conv_block(256, 384, 3, pad=1),
                conv5=conv_block(384, 256, 3, pad=1),
                pool5=nn.MaxPool2d(3, 2),
            ),
            named_sequential(fc1=dense_block(256 * 3 * 5, 2048)),
        )
