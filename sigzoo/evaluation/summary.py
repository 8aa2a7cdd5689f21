"""What the trials of a protocol come to: error rates, areas, thresholds, likelihood ratios, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.evaluation.draws import KnownArrays
from sigzoo.evaluation.likelihood_ratios import cllr, cllr_min, cross_calibrated
from sigzoo.evaluation.metrics import (
    area_under_curve,
    equal_error,
    error_rates,
    published_threshold,
    threshold_at_far,
)
from sigzoo.evaluation.resampling import Estimate, WeightedErrors, estimate, writer_weights
from sigzoo.interfaces.protocols import GENUINE, Measured, Signatures, Trials

__all__ = [
    "ImpostorSummary",
    "LikelihoodSummary",
    "OperatingPoint",
    "Summary",
    "calibrated_ratios",
    "measured",
    "summarise",
]

RANDOM_FAR = 0.01
"""Share of random forgeries accepted at one of the thresholds that every summary has."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class LikelihoodSummary:
    """How good the scores are as likelihood ratios, calibrated on other writers than they are tried on."""

    cllr: float
    """Cost in bits, mean over the draws: 0 perfect, 1 as good as no evidence (Brummer and du Preez, 2006)."""
    cllr_min: float
    """The same with the best calibration in hindsight: what the order of the scores alone costs."""


@dataclass(frozen=True)
class ImpostorSummary:
    """Genuine signatures against one kind of impostor; rates in percent."""

    eer: Estimate
    """Equal error rate with one threshold for all."""
    eer_user: Estimate
    """With a threshold for each writer, chosen as published; the errors of all writers together."""
    auc: Estimate
    """Mean over the writers of the area under the ROC curve, 0 to 1."""
    user_eers: Mapping[str, float]
    """Of each identity: its errors at its own threshold, mean over the draws."""
    likelihood: LikelihoodSummary | None
    """`None` where there are too few writers to calibrate on others."""
    trials: int
    """Comparisons in the first draw."""


@dataclass(frozen=True)
class OperatingPoint:
    """Error rates at one threshold, in percent, means over the draws."""

    name: str
    """How it is chosen: ``eer skilled``, ``far random 1 %``, ``score``."""
    threshold: float
    frr: float
    far: Mapping[str, float]
    """Of each kind of impostor."""


@dataclass(frozen=True)
class Summary:
    """All that is made of a protocol's trials."""

    impostors: Mapping[str, ImpostorSummary]
    operating_points: tuple[OperatingPoint, ...]
    writers: int
    genuine_trials: int
    draws: int


def measured(trials: Sequence[Trials], known: Signatures, replicates: int) -> dict[str, Measured]:
    """Equal error rates alone, as `EvaluationProtocol.measure` gives them."""
    arrays = KnownArrays.of(known)
    weights = writer_weights(len(arrays.writers), replicates)
    found = {}
    for kind in _kinds(trials):
        eer = _equal_error([each for each in trials if each.of(kind).any()], kind, arrays, weights)
        found[kind] = Measured(eer.value, eer.low, eer.high, eer.draws)
    return found


def summarise(trials: Sequence[Trials], known: Signatures, *, replicates: int = 500) -> Summary:
    """Make the summary of some draws.

    Parameters
    ----------
    trials
        As `EvaluationProtocol.trials` gives them, at least one.
    known
        What the protocol was given.
    replicates
        Bootstrap samples of the writers, for the intervals.
    """
    arrays = KnownArrays.of(known)
    weights = writer_weights(len(arrays.writers), replicates)
    kinds = _kinds(trials)
    first = trials[0]
    return Summary(
        {kind: _impostor(trials, kind, arrays, weights) for kind in kinds},
        tuple(_operating_points(trials, kinds)),
        len({int(arrays.writer[rows[0]]) for rows in first.references}),
        int(first.of(GENUINE).sum()),
        len(trials),
    )


def _kinds(trials: Sequence[Trials]) -> list[str]:
    return list(dict.fromkeys(kind for each in trials for kind in each.impostors()))


def _impostor(
    trials: Sequence[Trials], kind: str, known: KnownArrays, weights: Sequence[Counts]
) -> ImpostorSummary:
    having = [each for each in trials if each.of(kind).any()]
    users = [_Users.of(each, kind, known) for each in having]
    names = sorted({name for each in users for name in each.names})
    rates = {
        name: float(np.mean([each.rate(name) for each in users if name in each.names])) for name in names
    }
    return ImpostorSummary(
        _equal_error(having, kind, known, weights),
        estimate(
            [100 * each.pooled(None) for each in users], lambda d, w: _percent(users[d].pooled(w)), weights
        ),
        estimate([each.area(None) for each in users], lambda d, w: _defined(users[d].area(w)), weights),
        rates,
        _likelihood(having, kind, known),
        int(having[0].of(kind).sum()),
    )


def _percent(rate: float) -> float | None:
    return None if np.isnan(rate) else 100 * rate


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value


def _equal_error(
    trials: Sequence[Trials], kind: str, known: KnownArrays, weights: Sequence[Counts]
) -> Estimate:
    draws, resampled = [], []
    for each in trials:
        genuine, impostor = each.of(GENUINE), each.of(kind)
        draws.append(100 * equal_error(each.scores[genuine], each.scores[impostor]).eer)
        if not weights:
            continue
        owner = known.writer[np.array([rows[0] for rows in each.references])]
        claimed = owner[each.claimed]
        resampled.append(
            WeightedErrors(
                each.scores[genuine],
                claimed[genuine],
                each.scores[impostor],
                claimed[impostor],
                known.writer[each.questioned[impostor]],
            )
        )

    def replicated(draw: int, weight: Counts) -> float | None:
        found = resampled[draw].equal_error(weight)
        return None if found is None else 100 * found

    return estimate(draws, replicated, weights)


@dataclass(frozen=True)
class _Users:
    """Errors and areas of each identity of one draw."""

    names: dict[str, int]
    writer: Counts
    errors: NDArray[np.float64]
    """``(U, 4)``: genuine rejected, genuine, impostors accepted, impostors."""
    areas: NDArray[np.float64]

    @classmethod
    def of(cls, trials: Trials, kind: str, known: KnownArrays) -> _Users:
        names: dict[str, int] = {}
        writers, errors, areas = [], [], []
        genuine, impostor = _split(trials, GENUINE), _split(trials, kind)
        for place, name in enumerate(trials.identities):
            own, other = genuine.get(place), impostor.get(place)
            if own is None or other is None:
                continue
            threshold = published_threshold(own, other)
            names[name] = len(names)
            writers.append(known.writer[trials.references[place][0]])
            errors.append([np.sum(own < threshold), len(own), np.sum(other >= threshold), len(other)])
            areas.append(area_under_curve(own, other))
        return cls(names, np.array(writers, np.int64), np.array(errors, np.float64), np.array(areas))

    def rate(self, name: str) -> float:
        rejected, genuine, accepted, impostors = self.errors[self.names[name]]
        return float(50 * (rejected / genuine + accepted / impostors))

    def pooled(self, weights: Counts | None) -> float:
        count = np.ones(len(self.writer)) if weights is None else weights[self.writer]
        rejected, genuine, accepted, impostors = count @ self.errors
        return float((rejected / genuine + accepted / impostors) / 2) if genuine and impostors else np.nan

    def area(self, weights: Counts | None) -> float:
        count = np.ones(len(self.writer)) if weights is None else weights[self.writer]
        return float(count @ self.areas / count.sum()) if count.sum() else np.nan


def _split(trials: Trials, kind: str) -> dict[int, NDArray[np.float64]]:
    """Scores of one kind by the identity that they claim."""
    chosen = trials.of(kind)
    claimed, scores = trials.claimed[chosen], trials.scores[chosen]
    order = np.argsort(claimed, kind="stable")
    places, starts = np.unique(claimed[order], return_index=True)
    parts = np.split(scores[order], starts[1:])
    return {int(place): part for place, part in zip(places, parts, strict=True)}


def calibrated_ratios(
    trials: Sequence[Trials], kind: str, known: Signatures
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Log10 likelihood ratios of all draws together, each calibrated on other writers of its draw.

    Parameters
    ----------
    trials
        As `EvaluationProtocol.trials` gives them.
    kind
        The kind of impostor; draws without any are left out.
    known
        What the protocol was given.

    Returns
    -------
    genuine, impostor or None
        ``(G,)`` and ``(I,)``; `None` where there are too few writers to calibrate on others, or no trials.
    """
    arrays = KnownArrays.of(known)
    found = [_calibrated(each, kind, arrays) for each in trials if each.of(kind).any()]
    draws = [each for each in found if each is not None]
    if not draws or len(draws) < len(found):
        return None
    return np.concatenate([each[0] for each in draws]), np.concatenate([each[1] for each in draws])


def _calibrated(
    trials: Trials, kind: str, known: KnownArrays
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    owner = known.writer[np.array([rows[0] for rows in trials.references])]
    genuine, impostor = trials.of(GENUINE), trials.of(kind)
    return cross_calibrated(
        trials.scores[genuine],
        owner[trials.claimed[genuine]],
        trials.scores[impostor],
        owner[trials.claimed[impostor]],
    )


def _likelihood(trials: Sequence[Trials], kind: str, known: KnownArrays) -> LikelihoodSummary | None:
    costs = []
    for each in trials:
        ratios = _calibrated(each, kind, known)
        if ratios is None:
            return None
        least = cllr_min(each.scores[each.of(GENUINE)], each.scores[each.of(kind)])
        costs.append((cllr(*ratios), least))
    return LikelihoodSummary(*(float(np.mean(column)) for column in zip(*costs, strict=True)))


def _operating_points(trials: Sequence[Trials], kinds: Sequence[str]) -> list[OperatingPoint]:
    """Thresholds: where errors are equal, at 1 % of random forgeries, and the score's own."""
    chosen: dict[str, list[float]] = {}
    for kind in kinds:
        label = kind.replace("_", "-")
        chosen[f"eer {label}"] = [
            equal_error(each.scores[each.of(GENUINE)], each.scores[each.of(kind)]).threshold
            for each in trials
            if each.of(kind).any()
        ]
    if "random" in kinds:
        chosen[f"far random {RANDOM_FAR:.0%}"] = [
            threshold_at_far(each.scores[each.of("random")], RANDOM_FAR) for each in trials
        ]
    if all(each.threshold is not None for each in trials):
        chosen["score"] = [float(each.threshold or 0.0) for each in trials]
    return [
        _operating_point(name, trials, thresholds, kinds)
        for name, thresholds in chosen.items()
        if len(thresholds) == len(trials)
    ]


def _operating_point(
    name: str, trials: Sequence[Trials], thresholds: Sequence[float], kinds: Sequence[str]
) -> OperatingPoint:
    frr: list[float] = []
    far: dict[str, list[float]] = {kind: [] for kind in kinds}
    for each, threshold in zip(trials, thresholds, strict=True):
        genuine = each.scores[each.of(GENUINE)]
        frr.append(100 * float(np.mean(genuine < threshold)))
        for kind in each.impostors():
            far[kind].append(100 * error_rates(genuine, each.scores[each.of(kind)], threshold)[1])
    finite = [value for value in thresholds if np.isfinite(value)]
    return OperatingPoint(
        name,
        float(np.mean(finite)) if finite else np.inf,
        float(np.mean(frr)),
        {kind: float(np.mean(values)) for kind, values in far.items() if values},
    )
