"""Error rates of verification: at a threshold, where they meet, and over all thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError

__all__ = [
    "EqualError",
    "Scores",
    "area_under_curve",
    "det_curve",
    "equal_error",
    "error_rates",
    "published_threshold",
    "threshold_at_far",
]

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
        g, i = checked_scores(genuine, impostor)
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

        Parameters
        ----------
        genuine_weights, impostor_weights
            float ``(G,)`` and ``(I,)``, not negative; 1 for every score without them.

        Returns
        -------
        EqualError
            The rate, its threshold, FAR and FRR there, all from 0 to 1.

        Raises
        ------
        DataError
            If all weights of a kind are 0.
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
    """Return the equal error rate of genuine against impostor scores; see `Scores.equal_error`.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.

    Returns
    -------
    EqualError
        The rate, its threshold, FAR and FRR there, all from 0 to 1.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """
    return Scores(genuine, impostor).equal_error()


def error_rates(genuine: ArrayLike, impostor: ArrayLike, threshold: float) -> tuple[float, float]:
    """FRR and FAR at a threshold: the share of genuine scores below it, of impostors' from it on.

    In the words of ISO/IEC 19795-1, for single comparisons, the false non-match and the false match rate.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.
    threshold
        Scores from here on are accepted.

    Returns
    -------
    frr, far
        Shares from 0 to 1.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """
    g, i = checked_scores(genuine, impostor)
    return float(np.mean(g < threshold)), float(np.mean(i >= threshold))


def threshold_at_far(impostor: ArrayLike, far: float) -> float:
    """The lowest threshold at which at most a share `far` of these scores is accepted.

    Parameters
    ----------
    impostor
        float ``(I,)``; a higher score is more likely genuine.
    far
        From 0 to 1.

    Returns
    -------
    float
        Scores from here on are accepted.

    Raises
    ------
    DataError
        If there is no score, or one is NaN.
    """
    scores = np.sort(np.asarray(impostor, np.float64))
    if not len(scores) or np.isnan(scores).any():
        raise DataError("a threshold needs impostors' scores without NaN.")
    place = len(scores) - int(np.floor(far * len(scores) + 1e-9))
    if place == 0:
        return float(scores[0])
    return float(np.nextafter(scores[place - 1], np.inf))


def area_under_curve(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Area under the ROC curve: how often a genuine score is above an impostor's, half for ties, 0 to 1.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.

    Returns
    -------
    float
        1 where every genuine score is above every impostor's, 0.5 by chance.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """
    g, i = checked_scores(genuine, impostor)
    ranks = np.sort(i)
    above = np.searchsorted(ranks, g, "left") + np.searchsorted(ranks, g, "right")
    return float(above.mean() / 2 / len(i))


def det_curve(genuine: ArrayLike, impostor: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Thresholds, FAR and FRR of every point of the DET curve (Martin et al., 1997), thresholds rising.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.

    Returns
    -------
    thresholds, far, frr
        float64 ``(P,)`` each: the distinct scores, and infinity, where all are rejected.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """
    g, i = (np.sort(each) for each in checked_scores(genuine, impostor))
    thresholds = np.append(np.unique(np.concatenate([g, i])), np.inf)
    frr = np.searchsorted(g, thresholds, "left") / len(g)
    far = 1.0 - np.searchsorted(i, thresholds, "left") / len(i)
    return thresholds, far, frr


def published_threshold(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """The threshold of one writer as the published programs choose it.

    They look for the least ``|FAR - FRR|`` among the corners of scikit-learn's ROC curve, from the highest
    threshold on, which leaves out points between two others on a straight line. With the ten genuine
    signatures of a writer that is not the same as the least over all thresholds (`equal_error`).

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``: one writer's scores; a higher one is more likely genuine.

    Returns
    -------
    float
        One of the scores, or infinity where rejecting all is as good.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """
    g, i = (np.sort(each) for each in checked_scores(genuine, impostor))
    falling = np.unique(np.concatenate([g, i]))[::-1]
    accepted_g = len(g) - np.searchsorted(g, falling, "left")
    accepted_i = len(i) - np.searchsorted(i, falling, "left")
    bends = (np.diff(accepted_g, 2) != 0) | (np.diff(accepted_i, 2) != 0)
    corner = np.concatenate([[True], bends, [True]])[: len(falling)]
    gap = np.abs(accepted_i[corner] / len(i) - (1.0 - accepted_g[corner] / len(g)))
    return float(np.inf if gap.min() >= 1.0 else falling[corner][gap.argmin()])


def checked_scores(
    genuine: ArrayLike, impostor: ArrayLike, *, what: str = "an error rate needs", finite: bool = False
) -> tuple[Floats, Floats]:
    """Genuine and impostor scores as float64 ``(G,)`` and ``(I,)``.

    Raises
    ------
    DataError
        If one of them is empty, or holds NaN or, with `finite`, infinity; says `what` needs them.
    """
    g, i = np.asarray(genuine, np.float64).ravel(), np.asarray(impostor, np.float64).ravel()
    if not len(g) or not len(i):
        raise DataError(f"{what} genuine and impostor scores, got {len(g)} and {len(i)}.")
    both = np.concatenate([g, i])
    if np.isnan(both).any() or (finite and not np.isfinite(both).all()):
        raise DataError(f"the scores hold NaN{' or infinity' if finite else ''}.")
    return g, i
