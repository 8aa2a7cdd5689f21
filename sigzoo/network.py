"""A model's network, loaded when it is first asked for, so that a runtime may do without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from sigzoo.interfaces import Backbone, Preprocessor

__all__ = ["CALIBRATION_IMAGES", "LoadNetwork", "ModelNetwork", "calibration_batches"]

CALIBRATION_IMAGES = 64
"""How many signatures quantisation is calibrated on, each of another synthetic writer."""

LoadNetwork: TypeAlias = "Callable[[], tuple[Backbone, dict[str, nn.Linear]]]"
"""Builds a backbone and its heads and reads their weights."""


class ModelNetwork:
    """Backbone and heads of a model; what a runtime is opened with (`sigzoo.interfaces.NetworkSource`).

    Parameters
    ----------
    load
        Called once, at the first question for the backbone or a head.
    identity
        Gives what the network depends on, or `None` where that is not known; called when it is asked for.
    calibration
        Gives batches of preprocessed signatures: uint8 ``(n, 1, h, w)``.
    input_scale, layer
        The card's.
    """

    def __init__(
        self,
        load: LoadNetwork,
        *,
        identity: Callable[[], Mapping[str, Any] | None],
        calibration: Callable[[], Iterator[NDArray[np.uint8]]],
        input_scale: float,
        layer: str | None = None,
    ) -> None:
        self._load, self._identity, self._calibration = load, identity, calibration
        self._input_scale = input_scale
        self.layer = layer
        self._pristine: Hashable = None
        self._lock = threading.RLock()
        self._parts: tuple[Backbone, dict[str, nn.Linear]] | None = None

    @property
    def identity(self) -> Mapping[str, Any] | None:
        """What the network depends on, as plain data; `None` where that is not known."""
        return self._identity()

    def state(self) -> Hashable:
        """`None` while the network is as it was loaded, else what differs after every change by hand."""
        if self._parts is None:
            return None
        from sigzoo.graphs.changes import network_state

        state = network_state(self._parts[0])
        return None if state == self._pristine else state

    @property
    def loaded(self) -> bool:
        """Whether the network has been loaded."""
        return self._parts is not None

    @property
    def input_scale(self) -> float:
        """What an image is multiplied by to be the network's input."""
        return self._input_scale

    def backbone(self) -> Backbone:
        """The network: float32 and in evaluation mode when it is loaded, the same object at every call."""
        return self._loaded()[0]

    def heads(self) -> dict[str, nn.Linear]:
        """The heads that the card keeps, by name."""
        return self._loaded()[1]

    def calibration_images(self) -> Iterator[NDArray[np.uint8]]:
        """Batches of preprocessed signatures, always the same: uint8 ``(n, 1, h, w)``."""
        return self._calibration()

    def _loaded(self) -> tuple[Backbone, dict[str, nn.Linear]]:
        with self._lock:
            if self._parts is None:
                from sigzoo.graphs.changes import network_state

                backbone, heads = self._load()
                # Whatever torch's default is just now: in float32 the weights were trained.
                heads = {name: head.float().eval() for name, head in heads.items()}
                self._parts = backbone.float().eval(), heads
                self._pristine = network_state(backbone)
            return self._parts


def calibration_batches(preprocessor: Preprocessor) -> Iterator[NDArray[np.uint8]]:
    """Signatures of synthetic writers, preprocessed, always the same: uint8 ``(1, 1, h, w)`` each."""
    from sigzoo.synthesis import Writer

    for seed in range(CALIBRATION_IMAGES):
        yield preprocessor(Writer(seed).genuine(0))[np.newaxis, np.newaxis]
