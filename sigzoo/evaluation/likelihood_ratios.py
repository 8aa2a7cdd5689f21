"""Likelihood ratios out of scores: calibration, its cost (Cllr), Tippett and ECE curves; all in base 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.evaluation.metrics import checked_scores

__all__ = [
    "PRIOR_ODDS",
    "AffineCalibration",
    "IsotonicCalibration",
    "Tippett",
    "cllr",
    "cllr_min",
    "cross_calibrated",
    "ece_curve",
    "tippett",
]

Floats = NDArray[np.float64]

PRIOR_ODDS: Floats = np.linspace(-2.5, 2.5, 101)
"""Logarithms of the prior odds over which an ECE plot is drawn."""

_FOLDS = 5
_STEPS = 100
_SMALLEST_STEP = 1e-8


@dataclass(frozen=True)
class AffineCalibration:
    """``log10 LR = slope * score + intercept``, by logistic regression with equal weight of both hypotheses.

    So no prior probability is in it (Brummer and du Preez, Application-independent evaluation of speaker
    detection, Computer Speech and Language 20, 2006).
    """

    slope: float
    intercept: float

    @classmethod
    def fit(
        cls,
        genuine: ArrayLike,
        impostor: ArrayLike,
        *,
        ridge: float = 1e-6,
        start: AffineCalibration | None = None,
    ) -> AffineCalibration:
        """Fit to scores.

        Parameters
        ----------
        genuine, impostor
            float ``(G,)`` and ``(I,)``.
        ridge
            Weight of the squared slope, for standardised scores; keeps it finite where the scores of both
            kinds do not overlap.
        start
            A calibration of similar scores, from which fewer steps lead there.

        Returns
        -------
        AffineCalibration
            Slope and offset.

        Raises
        ------
        DataError
            If one of them is empty or holds what is not finite.
        """
        g, i = _checked(genuine, impostor)
        x = np.concatenate([g, i])
        centre, spread = x.mean(), x.std() or 1.0
        x = (x - centre) / spread
        y = np.concatenate([np.ones(len(g)), np.zeros(len(i))])
        w = np.concatenate([np.full(len(g), 0.5 / len(g)), np.full(len(i), 0.5 / len(i))])
        design = np.stack([x, np.ones_like(x)], axis=1)
        penalty = np.array([ridge, 0.0])

        def cost(at: Floats) -> float:
            z = design @ at
            return float(w @ (np.logaddexp(0, z) - y * z) + 0.5 * penalty @ (at * at))

        theta = np.zeros(2)
        if start is not None:
            theta = np.log(10.0) * np.array([start.slope * spread, start.intercept + start.slope * centre])
        before = cost(theta)
        for _ in range(_STEPS):  # Newton's method, with steps halved until the cost falls
            p = 1.0 / (1.0 + np.exp(-np.clip(design @ theta, -500, 500)))
            gradient = design.T @ (w * (p - y)) + penalty * theta
            hessian = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(penalty + 1e-12)
            step = np.linalg.solve(hessian, gradient)
            while (after := cost(theta - step)) > before and np.abs(step).max() > _SMALLEST_STEP:
                step /= 2
            theta, before = theta - step, min(before, after)
            if np.abs(step).max() <= _SMALLEST_STEP * max(1.0, float(np.abs(theta).max())):
                break
        slope = theta[0] / spread
        scale = 1.0 / np.log(10.0)
        return cls(float(slope * scale), float((theta[1] - slope * centre) * scale))

    def log10_lr(self, scores: ArrayLike) -> Floats:
        """Log10 likelihood ratios of scores, of their shape.

        Parameters
        ----------
        scores
            float, of any shape.

        Returns
        -------
        array
            float64, of the same shape.
        """
        return self.slope * np.asarray(scores, np.float64) + self.intercept


@dataclass(frozen=True)
class IsotonicCalibration:
    """A step function that never falls, by the pool adjacent violators algorithm (Ayer et al., 1955)."""

    scores: Floats
    """The distinct scores that it was fitted to, rising."""
    values: Floats
    """Log10 likelihood ratio at each; minus infinity where no genuine score lies, plus infinity where no
    impostor's does."""

    @classmethod
    def fit(cls, genuine: ArrayLike, impostor: ArrayLike) -> IsotonicCalibration:
        """Fit to scores, with equal weight of both hypotheses.

        Parameters
        ----------
        genuine, impostor
            float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.

        Returns
        -------
        IsotonicCalibration
            A step function.

        Raises
        ------
        DataError
            If one of them is empty or holds what is not finite.
        """
        g, i = _checked(genuine, impostor)
        scores, place = np.unique(np.concatenate([g, i]), return_inverse=True)
        heavy = np.bincount(place[: len(g)], minlength=len(scores)) / len(g)
        light = np.bincount(place[len(g) :], minlength=len(scores)) / len(i)
        share = _pooled(heavy, heavy + light)
        with np.errstate(divide="ignore"):
            return cls(scores, np.log10(share) - np.log10(1.0 - share))

    def log10_lr(self, scores: ArrayLike) -> Floats:
        """Log10 likelihood ratios: a straight line between scores of the fit, the last value outside.

        Parameters
        ----------
        scores
            float, of any shape.

        Returns
        -------
        array
            float64, of the same shape; infinite where the fit saw one kind alone.
        """
        x = np.asarray(scores, np.float64)
        above = np.clip(np.searchsorted(self.scores, x, "left"), 0, len(self.scores) - 1)
        below = np.clip(np.searchsorted(self.scores, x, "right") - 1, 0, len(self.scores) - 1)
        low, high = self.values[below], self.values[above]
        gap = self.scores[above] - self.scores[below]
        part = np.where(gap > 0, (x - self.scores[below]) / np.where(gap > 0, gap, 1.0), 0.0)
        with np.errstate(invalid="ignore"):
            between = low + part * (high - low)
        found: Floats = np.where(
            np.isfinite(low) & np.isfinite(high), between, np.where(part < 0.5, low, high)
        )
        return found


def cllr(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Cost of log10 likelihood ratios in bits (Brummer and du Preez, 2006).

    Half the mean of ``log2(1 + 1 / LR)`` over genuine ones and of ``log2(1 + LR)`` over impostors'.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``, log10 LR; infinite ones may be.

    Returns
    -------
    float
        Bits: 0 for ratios that are always right and sure, 1 for ratios that say nothing.

    Raises
    ------
    DataError
        If one of them is empty or holds NaN.
    """
    g, i = _checked(genuine, impostor, infinite=True)
    return float((_bits(-g).mean() + _bits(i).mean()) / 2)


def cllr_min(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Cllr of scores after the best calibration that keeps their order: what calibration cannot mend.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``; a higher score is more likely genuine.

    Returns
    -------
    float
        Bits, from 0 to 1.
    """
    best = IsotonicCalibration.fit(genuine, impostor)
    return cllr(best.log10_lr(genuine), best.log10_lr(impostor))


def cross_calibrated(
    genuine: Floats,
    genuine_writer: NDArray[np.int64],
    impostor: Floats,
    impostor_writer: NDArray[np.int64],
    *,
    folds: int = _FOLDS,
) -> tuple[Floats, Floats] | None:
    """Log10 likelihood ratios of scores, each calibrated on the scores of other writers' references.

    Parameters
    ----------
    genuine, impostor
        ``(G,)`` and ``(I,)``.
    genuine_writer, impostor_writer
        Whose references each was compared with, as numbers.
    folds
        Parts that the writers are divided into; each is calibrated on the others.

    Returns
    -------
    genuine, impostor or None
        `None` where there are fewer writers than two for each part.
    """
    writers = np.unique(np.concatenate([genuine_writer, impostor_writer]))
    if len(writers) < 2 * folds:
        return None
    fold = np.zeros(int(writers.max()) + 1, np.int64)
    fold[writers] = np.arange(len(writers)) % folds
    found_g, found_i = np.empty(len(genuine)), np.empty(len(impostor))
    fitted = None
    for each in range(folds):
        in_g, in_i = fold[genuine_writer] == each, fold[impostor_writer] == each
        if in_g.all() or in_i.all():
            return None
        fitted = AffineCalibration.fit(genuine[~in_g], impostor[~in_i], start=fitted)
        found_g[in_g], found_i[in_i] = fitted.log10_lr(genuine[in_g]), fitted.log10_lr(impostor[in_i])
    return found_g, found_i


@dataclass(frozen=True)
class Tippett:
    """Tippett plot: the share of log10 likelihood ratios above each value, for both hypotheses."""

    log10_lr: Floats
    genuine: Floats
    impostor: Floats


def tippett(genuine: ArrayLike, impostor: ArrayLike) -> Tippett:
    """Shares of log10 likelihood ratios at or above every one of them.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``, log10 LR.

    Returns
    -------
    Tippett
        Shares of each kind above every ratio.
    """
    g, i = (np.sort(each) for each in _checked(genuine, impostor, infinite=True))
    at = np.unique(np.concatenate([g, i]))
    return Tippett(
        at,
        1.0 - np.searchsorted(g, at, "left") / len(g),
        1.0 - np.searchsorted(i, at, "left") / len(i),
    )


def ece_curve(
    genuine: ArrayLike, impostor: ArrayLike, log10_odds: Sequence[float] | Floats
) -> tuple[Floats, Floats]:
    """Empirical cross-entropy in bits over prior odds, and that of no evidence (Ramos et al., 2013).

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``, log10 LR.
    log10_odds
        ``(P,)``: prior odds of genuine against impostor.

    Returns
    -------
    ece, reference
        ``(P,)`` each; `reference` is what an LR of 1 for all would give. At odds of 1 `ece` is Cllr.
    """
    g, i = _checked(genuine, impostor, infinite=True)
    odds = np.asarray(log10_odds, np.float64)
    prior = 1.0 / (1.0 + 10.0**-odds)
    ece = [p * _bits(-g - o).mean() + (1 - p) * _bits(i + o).mean() for p, o in zip(prior, odds, strict=True)]
    return np.array(ece), prior * _bits(-odds) + (1 - prior) * _bits(odds)


def _bits(log10_ratio: Floats) -> Floats:
    """``log2(1 + ratio)``."""
    found: Floats = np.logaddexp2(0.0, log10_ratio * np.log2(10.0))
    return found


def _pooled(weighted: Floats, weight: Floats) -> Floats:
    """Means of neighbours, pooled until they rise; ``weighted / weight`` is what is pooled."""
    # Neighbours that hold one kind alone are always pooled: a pass over arrays spares the loop most of them.
    pure = np.where(weighted == 0, 0, np.where(weighted == weight, 1, 2))
    first = np.flatnonzero(np.append(True, (pure[1:] != pure[:-1]) | (pure[1:] == 2)))
    lengths = np.diff(np.append(first, len(weight)))
    return np.repeat(_pooled_means(np.add.reduceat(weighted, first), np.add.reduceat(weight, first)), lengths)


def _pooled_means(weighted: Floats, weight: Floats) -> Floats:
    """`_pooled` by the algorithm itself."""
    sums: list[float] = []
    weights: list[float] = []
    counts: list[int] = []
    for value, mass in zip(weighted.tolist(), weight.tolist(), strict=True):
        count = 1
        while sums and sums[-1] * mass >= value * weights[-1]:
            value, mass, count = value + sums.pop(), mass + weights.pop(), count + counts.pop()
        sums.append(value)
        weights.append(mass)
        counts.append(count)
    return np.repeat(np.clip(np.array(sums) / np.array(weights), 0.0, 1.0), counts)


def _checked(genuine: ArrayLike, impostor: ArrayLike, *, infinite: bool = False) -> tuple[Floats, Floats]:
    return checked_scores(genuine, impostor, what="likelihood ratios need", finite=not infinite)
