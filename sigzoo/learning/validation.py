"""How good an epoch was: writer accuracy and equal error rates on the signatures held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.evaluation.distances import cosine_similarity
from sigzoo.evaluation.metrics import equal_error
from sigzoo.interfaces import Size
from sigzoo.learning.augment import centre_crop
from sigzoo.learning.data import TrainingData
from sigzoo.learning.network import TrainedNetwork
from sigzoo.learning.splits import Split

__all__ = ["Measures", "Validator"]

_REFERENCES = 3
_WRITERS = 500
"""Most writers whose signatures are compared; more would cost time and tell epochs apart no better."""


@dataclass(frozen=True)
class Measures:
    """Measured on the signatures held out, in percent."""

    accuracy: float | None
    """Genuine signatures given to the right writer; `None` without a writer head."""
    eer: float
    """Equal error rate of genuine signatures against other writers' genuine ones."""
    eer_skilled: float | None
    """The same against forgeries; `None` where none are held out."""


class Validator:
    """Measures a network on the signatures held out, each compared with three trained ones of a writer.

    Parameters
    ----------
    data, split
        The signatures.
    crop
        Size of the centre that the network sees; `None` for the whole image.
    minimum
        Least height and width of its input.
    batch_size
        Images at once.
    seed
        Draws the writers where there are more than 500.
    """

    def __init__(
        self,
        data: TrainingData,
        split: Split,
        *,
        crop: Size | None,
        minimum: Size,
        batch_size: int,
        seed: int,
    ) -> None:
        self._data, self._crop, self._minimum, self._size = data, crop, minimum, batch_size
        self._held_out = split.validation
        writers, forged = data.writers, data.forged
        people = np.unique(writers[split.validation])
        if len(people) > _WRITERS:
            people = np.sort(np.random.default_rng([seed, 2]).choice(people, _WRITERS, replace=False))
        known = split.training[forged[split.training] == 0]
        # A single writer with signatures held out is still compared with another's.
        others = np.setdiff1d(writers[known], people)[: max(0, 2 - len(people))]
        self._people = np.sort(np.concatenate([people, others]))
        self._references = [known[writers[known] == person][:_REFERENCES] for person in self._people]

    def measure(self, network: TrainedNetwork, device: torch.device) -> Measures | None:
        """Measure; `None` if the network's features are not finite."""
        network.eval()
        features, logits = self._describe(network, self._held_out, device)
        known, _ = self._describe(network, np.concatenate(self._references), device)
        network.train()
        if not (np.isfinite(features).all() and np.isfinite(known).all()):
            return None
        writers, forged = self._data.writers[self._held_out], self._data.forged[self._held_out] == 1
        accuracy = None
        if logits is not None:
            right = logits.argmax(axis=1) == writers
            accuracy = 100.0 * float(right[~forged].mean())
        questioned = np.isin(writers, self._people)
        similarity = cosine_similarity(features[questioned], known)
        groups = np.repeat(np.arange(len(self._people)), [len(own) for own in self._references])
        scores = np.stack(
            [similarity[:, groups == person].mean(axis=1) for person in range(len(self._people))], axis=1
        )
        claims = self._people[None, :] == writers[questioned][:, None]
        genuine = ~forged[questioned]
        own = scores[genuine][claims[genuine]]
        skilled = scores[~genuine][claims[~genuine]]
        return Measures(
            accuracy=accuracy,
            eer=100.0 * equal_error(own, scores[genuine][~claims[genuine]]).eer,
            eer_skilled=100.0 * equal_error(own, skilled).eer if len(skilled) else None,
        )

    def _describe(
        self, network: TrainedNetwork, indices: NDArray[np.int64], device: torch.device
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        features, logits = [], []
        with torch.inference_mode():
            for start in range(0, len(indices), self._size):
                chosen = indices[start : start + self._size]
                pixels = torch.from_numpy(self._data.batch(chosen, self._minimum)).to(device).float()
                if self._crop is not None:
                    pixels = centre_crop(pixels, self._crop)
                described, by_head = network.describe(pixels)
                features.append(described.cpu().numpy())
                if "writer" in by_head:
                    logits.append(by_head["writer"].cpu().numpy())
        return np.concatenate(features), np.concatenate(logits) if logits else None
