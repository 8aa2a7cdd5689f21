"""The interface of a backbone: a network from preprocessed signatures to features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from sigzoo.errors import ImageError
from sigzoo.interfaces.images import Size
from sigzoo.interfaces.runtimes import NetworkFacts

__all__ = ["Backbone"]


class Backbone(nn.Module, ABC):
    """A network from preprocessed signatures to features, without heads.

    A subclass sets the attributes below in its ``__init__`` (or in the class) and implements
    `forward_layers`; everything it needs to know comes as keyword arguments, so that a registry
    can name them.
    """

    layers: tuple[str, ...]
    """Names of the points that can be tapped, in the order of computation; the last is the feature."""

    feature_dim: int
    """Size of the last layer's output."""

    input_size: Size | None
    """``(h, w)`` that the network takes, or `None` for any size from `minimum_size` on."""

    scanner_layers: tuple[str, ...] = ()
    """Those of `layers` whose features hold what a scanner decides: the size in pixels, how dark the ink is.
    In many data sets genuine and forged signatures differ in it, so that rates of such layers flatter."""

    minimum_size: Size = (1, 1)
    """Smallest ``(h, w)`` that gives features, for networks of any size."""

    @abstractmethod
    def forward_layers(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Compute some layers' outputs in one pass, no further than the last one asked for.

        Parameters
        ----------
        x
            float32 ``(N, 1, h, w)``, in the range that the card's ``input_scale`` gives.
        names
            Some of `layers`.

        Returns
        -------
        dict
            name -> float32 tensor, first axis N; the last layer's is ``(N, feature_dim)``.

        Raises
        ------
        UnknownNameError
            If a name is not one of `layers` (see `check_layers`).
        ImageError
            If the input is not of `input_size`, or below `minimum_size` (see `check_input`).
        """

    def forward(self, x: Tensor) -> Tensor:
        """Features of a batch: float32 ``(N, 1, h, w)`` in, ``(N, feature_dim)`` out.

        Parameters
        ----------
        x
            float32 ``(N, 1, h, w)``, ink bright on 0, times the card's input scale.

        Returns
        -------
        Tensor
            float32 ``(N, feature_dim)``: the last of `layers`.

        Raises
        ------
        ImageError
            If the input is not of `input_size`, or below `minimum_size`.
        """
        last = self.layers[-1]
        return self.forward_layers(x, (last,))[last]

    def adapt_weights(self, tensors: Mapping[str, Tensor], format: str) -> Mapping[str, Tensor]:
        """Translate the arrays of a published weight file into this network's state dict.

        The default knows nothing and returns them unchanged, which is right for ``safetensors``
        and for files that hold this module's own state dict.

        Parameters
        ----------
        tensors
            For ``safetensors``, ``torch`` and ``torch-tuple``: the state dict as the file names it. For
            ``lasagne``: the list of arrays, named ``params[0]``, ``params[1]``, ... in order.
        format
            Of the file: the name of a weight format, as a card's ``weights.format`` has it.

        Returns
        -------
        mapping
            Keys and shapes of ``self.state_dict()``; the core checks that strictly.

        Raises
        ------
        WeightsError
            If the arrays cannot belong to this network; names the tensor and both shapes.
        """
        return tensors

    def layer_from_features(self, name: str) -> Tensor | None:
        """The linear map ``(size of the layer, feature_dim)`` that gives a layer from the features.

        With it a head that was trained on the layer can be kept as one over the features. `None`, the
        default, where there is no such map.

        Parameters
        ----------
        name
            One of `layers`.

        Returns
        -------
        Tensor or None
            float32.
        """
        return None

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Take what does not learn from the data, a mean that features are centred by, say.

        Called once before a run's first step, outside of autograd.

        Parameters
        ----------
        batches
            Some of the training images, as the network takes them: float32 ``(n, 1, h, w)`` each.
        """
        return None

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise `UnknownNameError` for a name that is not one of `layers`.

        Parameters
        ----------
        names
            Names that somebody asks for.
        """
        NetworkFacts.of(self).check_layers(names)

    def check_input(self, x: Tensor) -> None:
        """Raise `ImageError` for a batch that is not ``(N, 1, h, w)`` of a size that fits.

        Parameters
        ----------
        x
            What is to be computed with.

        Raises
        ------
        ImageError
            If its shape is not ``(N, 1, h, w)``, or the size not one that the network takes.
        """
        if x.ndim != 4 or x.shape[1] != 1:
            raise ImageError(f"expected a batch of shape (N, 1, h, w), got {tuple(x.shape)}.")
        size = (int(x.shape[2]), int(x.shape[3]))
        if self.input_size is not None and size != self.input_size:
            raise ImageError(f"{type(self).__name__} takes images of {self.input_size}, got {size} (h, w).")
        if size[0] < self.minimum_size[0] or size[1] < self.minimum_size[1]:
            raise ImageError(
                f"{type(self).__name__} needs images of at least {self.minimum_size}, got {size} (h, w)."
            )
