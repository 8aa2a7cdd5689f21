"""An answer in words: what of it belongs to one questioned signature, and what to all of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sigzoo.common.messages import counted
from sigzoo.common.terminal import safe_text
from sigzoo.verification.calibration import CalibrationSet, Impostor, Rates

if TYPE_CHECKING:
    from sigzoo.verification.verification import Verification

__all__ = ["answer_fields", "common_fields", "summary_lines"]

Fields = list[tuple[str, str]]

_SHOWN = (1, 2, 3, 5, 10)
"""Numbers of references of which the equal error rates are told."""


def summary_lines(answer: Verification) -> list[str]:
    """The answer in lines: the questioned signature, what was found, and where that comes from."""
    told = [*answer_fields(answer), *common_fields(answer)]
    lines = [f"  {label}: {text}" if label else f"    {text}" for label, text in told]
    return [safe_text(answer.questioned), *lines]


def answer_fields(answer: Verification) -> Fields:
    """Label and text of what was found of one questioned signature."""
    fields: Fields = [("decision", answer.decision or "none: there is no threshold")]
    against = counted(len(answer.references), "reference")
    fields.append(("score", f"{answer.score:.3f} ({answer.score_name}, against {against})"))
    for ratio in answer.likelihood_ratios.values():
        bound = ", the most that the calibration supports" if ratio.bounded else ""
        label = "against a forger" if ratio.against == "skilled" else "against others"
        text = f"LR {_ratio(ratio.log10)} (log10 {ratio.log10:+.2f}{bound}): {ratio.verbal}"
        fields.append((label, text))
    fields += [("warning", safe_text(each)) for each in answer.warnings]
    return fields


def common_fields(answer: Verification) -> Fields:
    """Label and text of what all answers of one call share: threshold, its origin, limits."""
    fields: Fields = []
    line = answer.threshold
    if line is not None:
        rates = f": {_rates(line.frr, line.far)}" if line.frr is not None else ""
        note = f"; {line.note}" if line.note else ""
        fields.append(("threshold", f"{line.value:.3f}, {line.chosen}{rates}{note}"))
        if line.even_against:
            fields.append(("inconclusive", "where the likelihood ratio is below 2 either way"))
    origin = answer.origin
    if origin is not None:
        made = "; ".join(_described(each) for each in origin.basis)
        number = counted(origin.references, "reference")
        when = f"{origin.made} by sigzoo {origin.sigzoo_version}"
        fields.append(("calibrated on", f"{made}; for {number}; made {when}"))
        kind = line.even_against if line is not None else None
        if kind is not None:
            known = [each for each in origin.rates if kind in each.frr]
            fields += [("on its own set", _rates_of(each, kind)) for each in known if each.own]
            fields += _elsewhere([each for each in known if not each.own], kind)
    if answer.reference_help:
        fields.append(("references", _help(answer.reference_help)))
    fields += [("cannot say", each) for each in answer.limits]
    return fields


def _ratio(log10: float) -> str:
    if log10 >= 0:
        return f"{10**log10:,.0f}" if log10 >= 1 else f"{10**log10:.1f}"
    return f"1/{10**-log10:,.0f}" if log10 <= -1 else f"1/{10**-log10:.1f}"


def percent(share: float) -> str:
    """A share as a percentage, with a digit behind the point where it is small."""
    return f"{100 * share:.{1 if share < 0.1 else 0}f} %"


def _rates(frr: float, far: Mapping[Impostor, float]) -> str:
    accepted = " and ".join(f"{percent(share)} of {kind} forgeries" for kind, share in far.items())
    return f"rejects {percent(frr)} of genuine signatures" + (f", accepts {accepted}" if accepted else "")


def _described(each: CalibrationSet) -> str:
    forged = f", {each.forged:,} skilled forgeries" if each.forged else ""
    return f"{each.name} ({each.writers:,} writers, {each.genuine:,} genuine signatures{forged})"


def _rates_of(each: Rates, kind: Impostor) -> str:
    """What the threshold at a likelihood ratio of 1 did on the set that alone it was made on."""
    rates = _rates(each.frr[kind], {kind: each.far[kind]})
    return f"on {each.dataset} the threshold, made on it alone, {rates}: that flatters"


def _elsewhere(sets: Sequence[Rates], kind: Impostor) -> Fields:
    """What thresholds at a likelihood ratio of 1 did on sets that they were made without."""
    if not sets:
        return []
    head = f"genuine signatures rejected, {kind} forgeries accepted, by thresholds made without the set"
    rows = [
        ("", f"{percent(each.frr[kind]):>6}, {percent(each.far[kind]):>6}  on {each.dataset}")
        for each in sets
    ]
    return [("elsewhere", f"{head}:"), *rows]


def _help(found: Mapping[int, Mapping[Impostor, float]]) -> str:
    shown = [number for number in _SHOWN if number in found]
    kinds = dict.fromkeys(kind for number in shown for kind in found[number])
    parts = [
        f"{kind} forgeries " + ", ".join(percent(found[number][kind]) for number in shown) for kind in kinds
    ]
    numbers = ", ".join(map(str, shown))
    return f"equal error rate with {numbers} of them: {'; '.join(parts)}"
