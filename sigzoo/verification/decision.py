"""From a calibrated score to words and a decision: the verbal scale, thresholds, and where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from sigzoo.errors import UsageError
from sigzoo.verification.calibration import Calibration, CalibrationSet, Impostor, Rates, ReferenceCount

__all__ = ["Decision", "LikelihoodRatio", "Origin", "Threshold", "choose_threshold", "decide", "verbal"]

Decision = Literal["genuine", "not genuine", "inconclusive"]

NO_SUPPORT = math.log10(2)
"""Below a ratio of 2, either way, findings do not support one proposition over the other."""

_SCALE: tuple[tuple[float, str], ...] = (
    (1.0, "weak"),
    (2.0, "moderate"),
    (3.0, "moderately strong"),
    (4.0, "strong"),
    (6.0, "very strong"),
    (math.inf, "extremely strong"),
)
"""Upper end of each range of log10 LR, and the word for it."""

_OTHER: dict[Impostor, str] = {
    "skilled": "a skilled forger",
    "random": "another writer, who imitated nobody",
}
_IMPOSTORS: dict[Impostor, str] = {"skilled": "skilled forgeries", "random": "random forgeries"}

_FEW = 30
"""Errors that a rate needs to be known within 30 %, with 90 % confidence (Doddington's rule of 30)."""


def verbal(log10_lr: float, against: Impostor) -> str:
    """Say a likelihood ratio in words.

    The scale is that of the ENFSI Guideline for Evaluative Reporting in Forensic Science (version 3.0, 2015):
    2 to 10 weak, to 100 moderate, to 1,000 moderately strong, to 10,000 strong, to 1,000,000 very strong,
    beyond it extremely strong support.

    Parameters
    ----------
    log10_lr
        The ratio's logarithm to base 10.
    against
        The alternative to the writer of the references.
    """
    if abs(log10_lr) < NO_SUPPORT:
        return f"supports neither the writer of the references nor {_OTHER[against]}"
    word = next(word for top, word in _SCALE if abs(log10_lr) < top)
    writer = "the writer of the references"
    first, other = (writer, _OTHER[against]) if log10_lr > 0 else (_OTHER[against], writer)
    return f"{word} support for {first}, rather than {other}"


@dataclass(frozen=True)
class LikelihoodRatio:
    """How many times as probable the score is for the writer of the references as for an impostor."""

    log10: float
    """Its logarithm to base 10, as forensic practice has it: 0 says nothing."""
    against: Impostor
    """``skilled`` (somebody who imitated the signature) or ``random`` (another writer's own signature)."""
    bounded: bool
    """Whether the score would give a more extreme one than the calibration's data can support."""
    verbal: str
    """In words; see `sigzoo.verification.decision.verbal`."""


@dataclass(frozen=True)
class Origin:
    """Where a calibration comes from."""

    references: int
    """The number of references that it is for."""
    protocol: str
    """How references, genuine signatures and impostors were drawn."""
    basis: tuple[CalibrationSet, ...]
    """The sets that it was made on."""
    made: str
    """Date, as ISO 8601 has it."""
    sigzoo_version: str
    trials: dict[str, int]
    """How many scores of each kind there were."""
    rates: tuple[Rates, ...]
    """What the threshold at a likelihood ratio of 1 does on each set."""


@dataclass(frozen=True)
class Threshold:
    """A score from which on a signature is accepted."""

    value: float
    chosen: str
    """How it was chosen, in words."""
    frr: float | None = None
    """Share of genuine signatures that it rejects, on the calibration's sets; `None` without one."""
    far: dict[Impostor, float] = field(default_factory=dict)
    """Share of impostors that it accepts there, by kind."""
    even_against: Impostor | None = None
    """Against whom the likelihood ratio is 1 at the threshold; below 2, either way, is inconclusive then."""
    note: str = ""
    """What is weak about it."""


def origin_of(calibration: Calibration, references: int, count: ReferenceCount) -> Origin:
    """Where the calibration for a number of references comes from."""
    return Origin(
        references,
        calibration.protocol,
        tuple(calibration.basis),
        calibration.made,
        calibration.sigzoo_version,
        dict(count.trials),
        tuple(count.rates),
    )


def choose_threshold(
    count: ReferenceCount | None,
    *,
    threshold: float | None = None,
    far: float | None = None,
    against: Impostor | None = None,
) -> Threshold | None:
    """Choose the score from which on a signature is accepted.

    Parameters
    ----------
    count
        The calibration for the number of references; `None` without one.
    threshold
        The caller's own; else `far`, else where the likelihood ratio is 1.
    far
        The share of impostors that may be accepted, above 0 and below 1.
    against
        Which impostors `far` or the likelihood ratio is of; the hardest that there are by default.

    Returns
    -------
    Threshold or None
        `None` without calibration and without a threshold of the caller's.

    Raises
    ------
    UsageError
        If `threshold` and `far` are both given, one is out of range, `far` or `against` is given without
        calibration, or it has no such impostors.
    """
    if threshold is not None and (far is not None or against is not None):
        raise UsageError("A threshold of your own stands alone: leave out `far` and `against`.")
    if threshold is not None:
        if not math.isfinite(threshold):
            raise UsageError(f"A threshold is a finite score, got {threshold}.")
        return _described(count, float(threshold), "given by the caller")
    if far is not None and not 0 < far < 1:
        raise UsageError(f"`far` is a share of impostors, above 0 and below 1; got {far}.")
    if count is None:
        if far is not None or against is not None:
            raise UsageError(
                "The model has no calibration for this layer: a false acceptance rate stands for no score."
                " Give a `threshold`, or a `calibration` of your own."
            )
        return None
    kind = count.kind if against is None else against
    if kind not in count.impostor:
        known = " or ".join(count.impostor)
        raise UsageError(f"The calibration knows no impostors of the kind {kind!r}; it knows {known}.")
    if far is None:
        found = count.likelihood[kind].even
        chosen = f"where the likelihood ratio against {_IMPOSTORS[kind]} is 1"
        return _described(count, found, chosen, even=kind)
    errors = far * count.trials[kind]
    note = ""
    if errors < _FEW:
        note = (
            f"a share of {far:g} is {errors:.1f} of the {count.trials[kind]:,} {_IMPOSTORS[kind]} that it was"
            f" found on: under {_FEW} the rate is uncertain by more than 30 %"
        )
    found = count.threshold(far, kind)
    return _described(count, found, f"accepts a share of {far:g} of {_IMPOSTORS[kind]}", note=note)


def _described(
    count: ReferenceCount | None, value: float, chosen: str, *, even: Impostor | None = None, note: str = ""
) -> Threshold:
    if count is None:
        return Threshold(value, chosen, note="its error rates are not known: there is no calibration")
    far = {kind: 1.0 - count.share_below(kind, value) for kind in count.impostor}
    return Threshold(value, chosen, count.frr(value), far, even, note)


def decide(score: float, threshold: Threshold | None, log10_lr: float | None) -> Decision | None:
    """Decide by a threshold; `None` without one.

    Where the threshold stands at a likelihood ratio of 1, a ratio below 2 either way is inconclusive. A
    threshold of the caller's, or for a rate of theirs, is what they chose to risk: it decides always.
    """
    if threshold is None:
        return None
    if threshold.even_against and log10_lr is not None and abs(log10_lr) < NO_SUPPORT:
        return "inconclusive"
    return "genuine" if score >= threshold.value else "not genuine"
