"""From scores whose truth is known to a calibration of `sigzoo verify`, and how far it travels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigzoo.errors import DataError
from sigzoo.evaluation.likelihood_ratios import AffineCalibration, cllr
from sigzoo.evaluation.metrics import equal_error, error_rates
from sigzoo.interfaces.protocols import GENUINE, Trials
from sigzoo.verification.calibration import LEVELS, Impostor, LikelihoodModel, Rates, ReferenceCount

__all__ = ["ScoreSample", "calibrate_references", "fit_likelihood", "supported_bounds"]

Floats = NDArray[np.float64]

_STEP = 0.01
"""Of log10 LR, to which bounds are found."""

_IMPOSTORS: tuple[Impostor, ...] = ("skilled", "random")


@dataclass(frozen=True)
class ScoreSample:
    """Scores of one set of signatures: as many of each kind as it has signatures of that kind.

    Draws of references score the same signatures again and again. So that no set seems larger than it is, the
    scores of all draws are put in order, and evenly spaced ones of them stand for all.
    """

    genuine: Floats
    """``(G,)``, rising."""
    impostors: Mapping[Impostor, Floats]
    """Kind -> ``(I,)``, rising."""

    @classmethod
    def of(cls, trials: Sequence[Trials]) -> ScoreSample:
        """Gather what a protocol scored; impostors of the same text count as neither kind.

        Parameters
        ----------
        trials
            Of the protocol's draws.

        Returns
        -------
        ScoreSample
            Scores of genuine signatures and of each kind of impostor.

        Raises
        ------
        DataError
            If there are under two signatures of a kind.
        """
        impostors = {
            kind: _spaced(trials, kind) for kind in _IMPOSTORS if any(each.of(kind).any() for each in trials)
        }
        return cls(_spaced(trials, GENUINE), impostors)


def _spaced(trials: Sequence[Trials], kind: str) -> Floats:
    scores = np.concatenate([each.scores[each.of(kind)] for each in trials])
    signatures = np.unique(np.concatenate([each.questioned[each.of(kind)] for each in trials]))
    return _quantiles(scores, len(signatures))


def _quantiles(scores: Floats, count: int) -> Floats:
    """`count` scores at even distances among some."""
    if count < 2:
        raise DataError(f"A calibration takes at least 2 scores of a kind, got {count}.")
    return np.quantile(scores, (np.arange(count) + 0.5) / count)


def _together(samples: Sequence[ScoreSample]) -> ScoreSample:
    """Several sets as one, in which each weighs the same."""

    def joined(parts: Sequence[Floats]) -> Floats:
        least = min(map(len, parts))
        return np.sort(np.concatenate([_quantiles(part, least) for part in parts]))

    kinds = [kind for kind in _IMPOSTORS if any(kind in each.impostors for each in samples)]
    return ScoreSample(
        joined([each.genuine for each in samples]),
        {
            kind: joined([each.impostors[kind] for each in samples if kind in each.impostors])
            for kind in kinds
        },
    )


def calibrate_references(
    basis: Mapping[str, ScoreSample], tried: Mapping[str, ScoreSample] | None = None
) -> ReferenceCount:
    """Make the calibration for one number of references.

    Parameters
    ----------
    basis
        Name of a set -> its scores: what the calibration is made on, each set with the same weight.
    tried
        Sets that it is only tried on.

    Returns
    -------
    ReferenceCount
        Its `rates` say how it does on every set: on one of several in the basis, how the calibration on the
        others does.

    Raises
    ------
    DataError
        If there is no basis, or impostors score as high as genuine signatures do.
    """
    if not basis:
        raise DataError("A calibration needs a set of signatures to be made on.")
    made = _calibrated(_together(list(basis.values())))
    rates = []
    for name, sample in basis.items():
        others = [each for other, each in basis.items() if other != name]
        rates.append(_rates(name, _calibrated(_together(others)) if others else made, sample, not others))
    rates += [_rates(name, made, sample, False) for name, sample in (tried or {}).items()]
    return ReferenceCount(
        genuine=made.genuine,
        impostor=made.impostor,
        trials=made.trials,
        likelihood=made.likelihood,
        eer=made.eer,
        rates=rates,
    )


def _calibrated(sample: ScoreSample) -> ReferenceCount:
    found = sample.impostors
    if not found:
        raise DataError("A calibration needs impostors: skilled forgeries, or another writer.")
    return ReferenceCount(
        genuine=np.quantile(sample.genuine, LEVELS).tolist(),
        impostor={kind: np.quantile(each, LEVELS).tolist() for kind, each in found.items()},
        trials={"genuine": len(sample.genuine), **{kind: len(each) for kind, each in found.items()}},
        likelihood={kind: fit_likelihood(sample.genuine, each) for kind, each in found.items()},
        eer={kind: equal_error(sample.genuine, each).eer for kind, each in found.items()},
        rates=[],
    )


def _rates(name: str, made: ReferenceCount, sample: ScoreSample, own: bool) -> Rates:
    """What a calibration does on a set."""
    found = Rates(dataset=name, own=own, frr={}, far={}, cllr={}, eer={})
    for kind, impostor in sample.impostors.items():
        model = made.likelihood.get(kind)
        if model is None:
            continue
        found.frr[kind], found.far[kind] = error_rates(sample.genuine, impostor, model.even)
        found.cllr[kind] = cllr(model.log10_lr(sample.genuine), model.log10_lr(impostor))
        found.eer[kind] = equal_error(sample.genuine, impostor).eer
    return found


def fit_likelihood(genuine: ArrayLike, impostor: ArrayLike) -> LikelihoodModel:
    """Fit the likelihood model of scores, with its bounds.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``: scores, a higher one is more likely genuine.

    Returns
    -------
    LikelihoodModel
        From a score to a log10 likelihood ratio, within the bounds that so many scores bear out.

    Raises
    ------
    DataError
        If there are none of a kind, some are not finite, or impostors score as high as genuine signatures do.
    """
    fitted = AffineCalibration.fit(genuine, impostor)
    if fitted.slope <= 0:
        raise DataError("Impostors score as high as genuine signatures do: such scores cannot be calibrated.")
    low, high = supported_bounds(fitted.log10_lr(genuine), fitted.log10_lr(impostor))
    return LikelihoodModel(slope=fitted.slope, intercept=fitted.intercept, low=low, high=high)


def supported_bounds(genuine: ArrayLike, impostor: ArrayLike) -> tuple[float, float]:
    """Between which log10 LRs a set of them is worth more than knowing nothing, with one error more.

    The empirical lower and upper bounds of Vergeer et al., Numerical likelihood ratios outputted by LR
    systems are often based on extrapolation: when to stop extrapolating?, Science and Justice 56, 2016: for
    each threshold a decision's expected cost, after one misleading ratio beyond it has been added to either
    hypothesis, is compared with that of a system that gives 1 always.

    Parameters
    ----------
    genuine, impostor
        float ``(G,)`` and ``(I,)``: log10 likelihood ratios.

    Returns
    -------
    low, high
        At most 0 and at least 0.
    """
    g, i = np.sort(np.asarray(genuine, np.float64)), np.sort(np.asarray(impostor, np.float64))
    both = np.concatenate([g, i])
    least = min(0.0, max(float(both.min()), -math.log10(len(g) + 1)))
    most = max(0.0, min(float(both.max()), math.log10(len(i) + 1)))
    threshold = np.arange(math.floor(least / _STEP), math.floor(most / _STEP) + 2) * _STEP
    missed = (np.searchsorted(g, threshold, "right") + 1) / (len(g) + 1)
    accepted = (len(i) - np.searchsorted(i, threshold, "right") + 1) / (len(i) + 1)
    worse = np.where(threshold < 0, 10**threshold, 1.0) < missed + 10**threshold * accepted
    low = float(np.max(threshold[(threshold <= 0) & worse] + _STEP, initial=threshold[0]))
    high = float(np.min(threshold[(threshold >= 0) & worse] - _STEP, initial=threshold[-1]))
    return min(low, 0.0), max(high, 0.0)
