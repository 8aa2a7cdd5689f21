"""Error rates of verification at a threshold, and where they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError

__all__ = ["EqualError", "Scores", "equal_error"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EqualError:
    """Where false acceptance and false rejection come closest."""

    eer: float
    """Mean of `far` and `frr`, a share from 0 to 1."""
    threshold: float
    """Scores from here on are accepted."""
    far: float
    """Share of impostors accepted."""
    frr: float
    """Share of genuine signatures rejected."""


class Scores:
    """Genuine and impostor scores, sorted once, so that many weightings are measured fast.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """

    def __init__(self, genuine: ArrayLike, impostor: ArrayLike) -> None:
        g, i = np.asarray(genuine, np.float64).ravel(), np.asarray(impostor, np.float64).ravel()
        if not len(g) or not len(i):
            raise DataError(f"an error rate needs genuine and impostor scores, got {len(g)} and {len(i)}.")
        if np.isnan(g).any() or np.isnan(i).any():
            raise DataError("the scores hold NaN.")
        values = np.concatenate([g, i])
        self._order = np.argsort(values, kind="stable")
        self._values = values[self._order]
        self._genuine = len(g)
        self._first = np.flatnonzero(np.append(True, np.diff(self._values) != 0))

    def equal_error(
        self, genuine_weights: ArrayLike | None = None, impostor_weights: ArrayLike | None = None
    ) -> EqualError:
        """Find the threshold at which FAR and FRR are closest; the EER is their mean there.

        Candidates are the scores themselves and one above all of them; of equally good ones the
        lowest counts. Weights count a score as often as a bootstrap drew it.
        """
        weights = np.zeros((2, len(self._values)))
        weights[0, : self._genuine] = 1.0 if genuine_weights is None else genuine_weights
        weights[1, self._genuine :] = 1.0 if impostor_weights is None else impostor_weights
        below = np.cumsum(weights[:, self._order], axis=1)
        total = below[:, -1:]
        if (total <= 0).any():
            raise DataError("an error rate needs genuine and impostor scores of positive weight.")
        below = np.concatenate([np.zeros((2, 1)), below], axis=1) / total
        candidates = np.append(self._first, len(self._values))
        frr, far = below[0, candidates], 1.0 - below[1, candidates]
        best = int(np.abs(far - frr).argmin())
        threshold = self._values[candidates[best]] if best < len(self._first) else np.inf
        return EqualError(
            float(0.5 * (far[best] + frr[best])), float(threshold), float(far[best]), float(frr[best])
        )


def equal_error(genuine: ArrayLike, impostor: ArrayLike) -> EqualError:
    """Return the equal error rate of genuine against impostor scores; see `Scores.equal_error`."""
    return Scores(genuine, impostor).equal_error()
