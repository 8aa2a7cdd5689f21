"""The blocks that SigNet and SigNet-SPP are built of, and a network that can be tapped at each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sigzoo.interfaces import Backbone
from sigzoo_signet.published_weights import LayerPaths, fill_batch_counts, from_lasagne

__all__ = ["LayeredBackbone", "conv_block", "dense_block", "named_sequential"]


def conv_block(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, pad: int = 0
) -> nn.Module:
    """Convolution without bias, batch normalisation, ReLU: ``(N, C, h, w)`` to ``(N, C', h', w')``."""
    return named_sequential(
        conv=nn.Conv2d(channels_in, channels_out, kernel, stride, pad, bias=False),
        bn=nn.BatchNorm2d(channels_out),
        relu=nn.ReLU(inplace=True),
    )


def dense_block(size_in: int, size_out: int) -> nn.Module:
    """Dense layer without bias, batch normalisation, ReLU: ``(N, D)`` to ``(N, D')``."""
    return named_sequential(
        fc=nn.Linear(size_in, size_out, bias=False),
        bn=nn.BatchNorm1d(size_out),
        relu=nn.ReLU(inplace=True),
    )


def named_sequential(**steps: nn.Module) -> nn.Sequential:
    """Chain modules under names, which become part of the state dict's keys."""
    return nn.Sequential(OrderedDict(steps))


class LayeredBackbone(Backbone):
    """A chain of convolutions and pools, then a chain of dense layers, every step with a name.

    The keys of its state dict are those of sigver's files: ``conv_layers.conv1.conv.weight``,
    ``conv_layers.conv1.bn.running_mean``, ``fc_layers.fc1.fc.weight``, ...

    Parameters
    ----------
    conv_layers, fc_layers
        Step by step; their names are the keys of the state dict.
    published_names
        Tapping names where they differ from those in the state dict.
    """

    def __init__(
        self,
        conv_layers: nn.Sequential,
        fc_layers: nn.Sequential,
        published_names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.conv_layers = conv_layers
        self.fc_layers = fc_layers
        names = published_names or {}
        self._conv_names = tuple(names.get(name, name) for name, _ in conv_layers.named_children())
        self._fc_names = tuple(name for name, _ in fc_layers.named_children())
        self.layers = self._conv_names + self._fc_names

    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Compute some layers' outputs in one pass, no further than the last one asked for.

        Parameters
        ----------
        x
            Floating point ``(N, 1, h, w)``, of the parameters' dtype.
        names
            Some of `layers`.

        Returns
        -------
        dict
            name -> ``(N, C, h', w')`` for a convolution or pool, ``(N, D)`` for a dense layer;
            each after its ReLU.

        Raises
        ------
        UnknownNameError
            If a name is not one of `layers`.
        ImageError
            If the input is not of `input_size`, or below `minimum_size`.
        """
        self.check_layers(names)
        self.check_input(x)
        taps: dict[str, Tensor] = {}
        last = max([-1, *(self.layers.index(name) for name in names)])
        for name, step in zip(self._conv_names[: last + 1], self.conv_layers, strict=False):
            x = step(x)
            if name in names:
                taps[name] = x
        if last >= len(self._conv_names):
            x = x.flatten(1)
        for name, step in zip(
            self._fc_names[: max(0, last + 1 - len(self._conv_names))], self.fc_layers, strict=False
        ):
            x = step(x)
            if name in names:
                taps[name] = x
        return taps

    def adapt_weights(self, tensors: Mapping[str, Tensor], format: str) -> Mapping[str, Tensor]:
        """Translate a published weight file into this network's state dict.

        Files of sigver and contrastive_sigver (``torch-tuple``) hold it already; the lists of
        sigver_wiwd (``lasagne``) are mapped array by array. Counters that older files lack
        (``num_batches_tracked``) are filled in with 0.

        Raises
        ------
        WeightsError
            If the arrays of a Lasagne file are not those of this network.
        """
        if format == "lasagne":
            tensors = from_lasagne(tensors, self.state_dict(), self._lasagne_layers(), type(self).__name__)
        return fill_batch_counts(tensors, self.state_dict())

    def _lasagne_layers(self) -> list[LayerPaths]:
        blocks = [
            LayerPaths(published, f"conv_layers.{name}.conv", f"conv_layers.{name}.bn", dense=False)
            for published, (name, step) in zip(
                self._conv_names, self.conv_layers.named_children(), strict=True
            )
            if hasattr(step, "conv")
        ]
        blocks += [
            LayerPaths(n, f"fc_layers.{n}.fc", f"fc_layers.{n}.bn", dense=True) for n in self._fc_names
        ]
        return blocks
