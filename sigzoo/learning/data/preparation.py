"""Preprocessing for training: a preprocessor by name, as every process builds it for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sigzoo.errors import UsageError
from sigzoo.interfaces import GreyImage, Preprocessor
from sigzoo.learning.augment import centre_crop
from sigzoo.registry.cards import with_tuples
from sigzoo.zoo import Zoo, default_zoo

__all__ = ["Preparation"]


@dataclass
class Preparation:
    """Turns a raw image into a training image; one that is preprocessed already stays as it is.

    Parameters
    ----------
    name
        The preprocessor; `None` for images that are preprocessed.
    options
        What it is built with in training.
    published
        What it is built with in the model that results, where that differs: it must give the centre.
    zoo
        Where the preprocessor is looked up; it travels along to other processes.
    """

    name: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Any] | None = None
    zoo: Zoo = field(default_factory=default_zoo, repr=False, compare=False)
    _built: Preprocessor | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, image: GreyImage) -> GreyImage:
        """Preprocess one image: uint8 ``(H, W)`` in, uint8 ``(h, w)`` out, ink bright on 0.

        Raises
        ------
        ImageError
            If it holds no ink.
        UsageError
            If the preprocessing of the model is not the centre of that of training.
        """
        if self.name is None:
            return image
        if self._built is None:
            built = self.zoo.preprocessor(self.name, **with_tuples(self.options))
            if self.published is not None and dict(self.options) != dict(self.published):
                self._check_centre(image, built(image), self.published)
            self._built = built
        return self._built(image)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_built": None}

    def _check_centre(self, image: GreyImage, large: GreyImage, published: Mapping[str, Any]) -> None:
        """A model must see at last what it was trained on, so the first image is compared."""
        import torch

        small = self.zoo.preprocessor(str(self.name), **with_tuples(published))(image)
        fits = small.shape[0] <= large.shape[0] and small.shape[1] <= large.shape[1]
        if fits:
            size = (small.shape[0], small.shape[1])
            centre = centre_crop(torch.from_numpy(large)[None, None], size)[0, 0].numpy()
            fits = bool(np.array_equal(centre, small))
        if not fits:
            raise UsageError(
                f"With {dict(self.options)} the preprocessor {self.name!r} gives {large.shape} for training,"
                f" whose centre is not the {small.shape} that the model sees ({dict(published)})."
            )
