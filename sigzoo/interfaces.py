"""What a plugin implements: preprocessors, backbones and losses."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sigzoo.errors import ImageError, SigzooError, SigzooWarning, UnknownNameError, UsageError, WeightsError

__all__ = [
    "Backbone",
    "GreyImage",
    "ImageError",
    "Loss",
    "Preprocessor",
    "SigzooError",
    "SigzooWarning",
    "Size",
    "TrainingBatch",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "check_grey",
    "collected_warnings",
    "warn",
]

GreyImage = NDArray[np.uint8]
"""A grey image, uint8 ``(H, W)``."""

Size = tuple[int, int]
"""Height and width in pixels."""


def check_grey(image: Any) -> GreyImage:
    """Return `image` unchanged if it is a grey image, else say what it is.

    Parameters
    ----------
    image
        Anything; expected is a numpy array, uint8 ``(H, W)``, neither side 0.

    Raises
    ------
    ImageError
        If it is not an array, of another dtype or number of axes, or empty.
    """
    expected = "expected a grey image: a numpy array, uint8 (height, width), 0 ink and 255 paper"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{expected}; got {type(image).__name__}.")
    if image.dtype != np.uint8:
        nan = image.dtype.kind == "f" and bool(np.isnan(image).any())
        raise ImageError(f"{expected}; got dtype {image.dtype}{' holding NaN' if nan else ''}.")
    if image.ndim != 2 or image.size == 0:
        raise ImageError(f"{expected}; got shape {image.shape}.")
    return image


_collector: ContextVar[list[str] | None] = ContextVar("sigzoo warnings", default=None)


def warn(message: str) -> None:
    """Warn of an image; whoever knows which image it is adds its name.

    A plugin's preprocessor uses this in place of `warnings.warn`; the category is `SigzooWarning`.
    """
    collector = _collector.get()
    if collector is None:
        warnings.warn(message, SigzooWarning, stacklevel=3)
    else:
        collector.append(message)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect what `warn` says in this thread during the block."""
    messages: list[str] = []
    token = _collector.set(messages)
    try:
        yield messages
    finally:
        _collector.reset(token)


class Preprocessor(ABC):
    """Turns the image of a signature into what a network was trained on.

    A preprocessor belongs to the weights that were trained with it. It is configured when it is
    built and holds no state after that: the same image gives the same result, in any thread.
    """

    output_size: Size | None
    """``(h, w)`` of every result, or `None` where it follows the image."""

    input_scale: float | None = None
    """What the published networks of this preprocessing multiply its result with; a card that
    says otherwise is refused. `None` where any scale may go with it."""

    @abstractmethod
    def stages(self, image: GreyImage) -> dict[str, GreyImage]:
        """Run the steps one by one, for figures.

        Parameters
        ----------
        image
            uint8 ``(H, W)``, 0 ink and 255 paper. Never written into.

        Returns
        -------
        dict
            The named steps in order, each uint8. The last is what calling the preprocessor
            returns: ``(h, w)``, ink bright on 0.

        Raises
        ------
        ImageError
            If the image is no grey image (see `check_grey`) or holds no ink.
        """

    def __call__(self, image: GreyImage) -> GreyImage:
        """Preprocess one image: uint8 ``(H, W)`` in, uint8 ``(h, w)`` out, ink bright on 0.

        Override it where the result can be had faster than through `stages`.

        Raises
        ------
        ImageError
            If the image is no grey image (see `check_grey`) or holds no ink.
        """
        return list(self.stages(image).values())[-1]


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
            For ``safetensors`` and ``torch-tuple``: the state dict as the file names it. For
            ``lasagne``: the list of arrays, named ``params[0]``, ``params[1]``, ... in order.
        format
            ``"safetensors"``, ``"torch-tuple"`` or ``"lasagne"``.

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

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise `UnknownNameError` for a name that is not one of `layers`."""
        for name in names:
            if name not in self.layers:
                raise UnknownNameError("layer", name, self.layers, f"Layers: {', '.join(self.layers)}.")

    def check_input(self, x: Tensor) -> None:
        """Raise `ImageError` for a batch that is not ``(N, 1, h, w)`` of a size that fits."""
        if x.ndim != 4 or x.shape[1] != 1:
            raise ImageError(f"expected a batch of shape (N, 1, h, w), got {tuple(x.shape)}.")
        size = (int(x.shape[2]), int(x.shape[3]))
        if self.input_size is not None and size != self.input_size:
            raise ImageError(f"{type(self).__name__} takes images of {self.input_size}, got {size} (h, w).")
        if size[0] < self.minimum_size[0] or size[1] < self.minimum_size[1]:
            raise ImageError(
                f"{type(self).__name__} needs images of at least {self.minimum_size}, got {size} (h, w)."
            )


@dataclass(frozen=True)
class TrainingBatch:
    """What a training step knows; a loss reads the fields that it declared in `Loss.needs`.

    N signatures, D features, W writers.
    """

    features: Tensor
    """float ``(N, D)``: the backbone's features."""

    writers: Tensor
    """int64 ``(N,)``: index of the writer whose signature this is, or claims to be."""

    forgery: Tensor | None = None
    """float ``(N,)``: 0 genuine, 1 forgery."""

    writer_logits: Tensor | None = None
    """float ``(N, W)``: the writer head's output."""

    forgery_logits: Tensor | None = None
    """float ``(N,)``: the forgery head's output."""

    teacher_features: Tensor | None = None
    """float ``(N, D')``: a teacher's features of the same images."""

    teacher_logits: Tensor | None = None
    """float ``(N, W')``: a teacher's writer logits of the same images."""

    new: Tensor | None = None
    """bool ``(N,)``: signatures of writers that the teacher does not know; they are numbered from W' on."""

    signatures: Tensor | None = None
    """int64 ``(N,)``: which signatures of the training data these are."""


class Loss(nn.Module, ABC):
    """One number to minimise, from a batch of training quantities.

    The training loop knows no loss by name: it provides what `needs` declares, calls `prepare`
    once, and trains the loss's own parameters (a margin head's centres, say) with the network's.
    """

    needs: ClassVar[frozenset[str]]
    """Fields of `TrainingBatch` that must be present; also decides which heads are built."""

    def prepare(self, *, feature_dim: int, writers: int) -> None:
        """Build parameters whose shape depends on the task; called once, before training."""
        return None

    def prepare_for_teacher(self, *, feature_dim: int, writers: int) -> None:
        """Learn the size of a teacher's features, and how many writers it knows.

        Called once before `prepare`, where there is a teacher.
        """
        return None

    @abstractmethod
    def forward(self, batch: TrainingBatch) -> Tensor:
        """Return the loss, a scalar of the features' dtype, finite for finite input."""
