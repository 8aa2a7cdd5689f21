"""How good an epoch was: writer accuracy and equal error rates on the signatures held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sigzoo.evaluation.distances import cosine_similarity
from sigzoo.evaluation.metrics import equal_error
from sigzoo.learning.data.in_memory import ImageSet
from sigzoo.learning.data.inputs import InputTransform
from sigzoo.learning.data.splits import Split
from sigzoo.learning.training.network import TrainedNetwork

__all__ = ["MOST_WRITERS", "REFERENCES", "Measures", "Validator"]

REFERENCES = 3
MOST_WRITERS = 500
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
    agreement: float | None = None
    """Images given to the writer to whom the teacher gives them; `None` without one."""
    accuracy_new: float | None = None
    """The accuracy on new data, in continual learning."""
    eer_new: float | None = None
    """The EER on new data, in continual learning."""
    verification: float | None = None
    """Mean logarithm of the equal error rates, in percent, on data of unseen writers."""


class Validator:
    """Measures a network on the signatures held out, each compared with three trained ones of a writer.

    Parameters
    ----------
    data, split
        The signatures.
    transform
        How images become input.
    batch_size
        Images at once.
    seed
        Draws the writers where there are more than 500.
    first_writer
        Output of the writer head that stands for the first writer of `data`; `None` where the writers
        are not those of the head.
    teacher_choices
        ``(n,)``: the output that a teacher chooses for each signature held out. Where the writers are
        not those of the head, it stands for the right one.
    """

    def __init__(
        self,
        data: ImageSet,
        split: Split,
        *,
        transform: InputTransform,
        batch_size: int,
        seed: int,
        first_writer: int | None = 0,
        teacher_choices: NDArray[np.int64] | None = None,
    ) -> None:
        self._data, self._input, self._size = data, transform, batch_size
        self._first, self._teacher_choices = first_writer, teacher_choices
        self._held_out = split.validation
        writers, forged = data.writers, data.forged
        people = np.unique(writers[split.validation])
        if len(people) > MOST_WRITERS:
            people = np.sort(np.random.default_rng([seed, 2]).choice(people, MOST_WRITERS, replace=False))
        known = split.training[forged[split.training] == 0]
        # A single writer with signatures held out is still compared with another's.
        others = np.setdiff1d(writers[known], people)[: max(0, 2 - len(people))]
        self._people = np.sort(np.concatenate([people, others]))
        self._references = [known[writers[known] == person][:REFERENCES] for person in self._people]

    def measure(self, network: TrainedNetwork, device: torch.device) -> Measures | None:
        """Measure; `None` if the network's features are not finite."""
        network.eval()
        features, logits = self._describe(network, self._held_out, device)
        known, _ = self._describe(network, np.concatenate(self._references), device)
        network.train()
        if not (np.isfinite(features).all() and np.isfinite(known).all()):
            return None
        writers, forged = self._data.writers[self._held_out], self._data.forged[self._held_out] == 1
        accuracy, agreement = self._judge(logits, writers, forged)
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
            agreement=agreement,
        )

    def _judge(
        self, logits: NDArray[np.float32] | None, writers: NDArray[np.int64], forged: NDArray[np.bool_]
    ) -> tuple[float | None, float | None]:
        """Accuracy and agreement with the teacher, in percent."""
        if logits is None:
            return None, None
        chosen = logits.argmax(axis=1)
        agreement = (
            None if self._teacher_choices is None else 100.0 * float((chosen == self._teacher_choices).mean())
        )
        if self._first is None:
            return agreement, agreement
        right = chosen == writers + self._first
        return 100.0 * float(right[~forged].mean()), agreement

    def _describe(
        self, network: TrainedNetwork, indices: NDArray[np.int64], device: torch.device
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        features, logits = [], []
        with torch.inference_mode():
            for start in range(0, len(indices), self._size):
                chosen = indices[start : start + self._size]
                described, by_head = network.describe(self._input.centre(self._data, chosen, device))
                features.append(described.cpu().numpy())
                if "writer" in by_head:
                    logits.append(by_head["writer"].cpu().numpy())
        return np.concatenate(features), np.concatenate(logits) if logits else None
