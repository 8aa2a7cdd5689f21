"""DET, ROC, Tippett and ECE curves of several systems against one kind of impostor."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sigzoo.evaluation.likelihood_ratios import PRIOR_ODDS, IsotonicCalibration, ece_curve, tippett
from sigzoo.evaluation.metrics import det_curve
from sigzoo.evaluation.report.contents import System
from sigzoo.evaluation.report.svg import Axis, Frame, nice_ticks, polyline
from sigzoo.pages.markup import Markup, tag

__all__ = ["det_chart", "ece_chart", "legend", "roc_chart", "tippett_chart"]

Floats = NDArray[np.float64]

_PERCENT = (0.1, 0.5, 1, 2, 5, 10, 20, 40, 60)
_LEAST, _MOST = 0.0008, 0.7
"""Rates that the DET axes show."""


def det_chart(systems: Sequence[tuple[int, System]], kind: str) -> Markup:
    """FRR over FAR on axes of normal deviates (Martin et al., *The DET Curve*, Eurospeech 1997).

    Parameters
    ----------
    systems
        Each with the number of its colour.
    kind
        The kind of impostor.
    """
    ends = _deviates(np.array([_LEAST, _MOST]))
    ticks = [
        (float(at), f"{p:g}") for at, p in zip(_deviates(np.array(_PERCENT) / 100), _PERCENT, strict=True)
    ]
    low, high = (float(each) for each in ends)
    frame = Frame(Axis(low, high, ticks, f"FAR, {_words(kind)} (%)"), Axis(low, high, ticks, "FRR (%)"))
    lines = [polyline(frame, ends, ends, class_="diagonal")]
    for number, system in systems:
        _, far, frr = det_curve(system.genuine, system.impostors[kind])
        seen = (far > 0) & (frr > 0) & (far <= _MOST) & (frr <= _MOST)
        if seen.any():
            x, y = _deviates(far[seen]), _deviates(frr[seen])
            lines.append(polyline(frame, x, y, class_=f"curve {_style(number, system)}", data_system=number))
    return frame.draw(*lines, label=f"DET curves against {_words(kind)}")


def roc_chart(systems: Sequence[tuple[int, System]], kind: str) -> Markup:
    """Share of genuine signatures accepted over FAR; for the arguments see `det_chart`."""
    ticks = [(each / 100, str(each)) for each in range(0, 101, 20)]
    frame = Frame(Axis(0, 1, ticks, f"FAR, {_words(kind)} (%)"), Axis(0, 1, ticks, "genuine accepted (%)"))
    whole = np.array([0.0, 1.0])
    lines = [polyline(frame, whole, whole, class_="diagonal")]
    for number, system in systems:
        _, far, frr = det_curve(system.genuine, system.impostors[kind])
        lines.append(
            polyline(frame, far, 1 - frr, class_=f"curve {_style(number, system)}", data_system=number)
        )
    return frame.draw(*lines, label=f"ROC curves against {_words(kind)}")


def tippett_chart(systems: Sequence[tuple[int, System]], kind: str) -> Markup:
    """Share of log10 likelihood ratios at or above each value: genuine signatures, and impostors dashed.

    For the arguments see `det_chart`; each system has `log10_lr` of this kind.
    """
    every = np.concatenate([part for _, system in systems for part in system.log10_lr[kind]])
    low, high = (float(each) for each in np.quantile(every, (0.002, 0.998)))
    low, high = min(low, -1.0), max(high, 1.0)
    share = [(each / 100, str(each)) for each in range(0, 101, 20)]
    x = Axis(low, high, nice_ticks(low, high), "log10 likelihood ratio")
    frame = Frame(x, Axis(0, 1, share, "at or above it (%)"))
    lines = [polyline(frame, np.zeros(2), np.array([0.0, 1.0]), class_="diagonal")]
    for number, system in systems:
        found = tippett(*system.log10_lr[kind])
        style = f"curve {_style(number, system)}"
        lines.append(polyline(frame, found.log10_lr, found.genuine, class_=style, data_system=number))
        style += " dashed"
        lines.append(polyline(frame, found.log10_lr, found.impostor, class_=style, data_system=number))
    return frame.draw(*lines, label=f"Tippett plot against {_words(kind)}")


def ece_chart(systems: Sequence[tuple[int, System]], kind: str) -> Markup:
    """Empirical cross-entropy over prior odds, and dashed what the best calibration would leave of it.

    For the arguments see `det_chart`; each system has `log10_lr` of this kind. The dotted line is that of
    likelihood ratios which are all 1 (Ramos et al., *Reliable Support*, Law, Probability and Risk, 2013).
    """
    low, high = float(PRIOR_ODDS[0]), float(PRIOR_ODDS[-1])
    y = Axis(0, 1.2, nice_ticks(0, 1.2), "empirical cross-entropy (bits)")
    frame = Frame(Axis(low, high, nice_ticks(low, high), "log10 of the prior odds"), y)
    _, none = ece_curve([0.0], [0.0], PRIOR_ODDS)
    lines = [polyline(frame, PRIOR_ODDS, none, class_="diagonal")]
    for number, system in systems:
        genuine, impostor = system.log10_lr[kind]
        best = IsotonicCalibration.fit(genuine, impostor)
        after = best.log10_lr(genuine), best.log10_lr(impostor)
        for pair, dashed in (((genuine, impostor), ""), (after, " dashed")):
            cost, _ = ece_curve(*pair, PRIOR_ODDS)
            style = f"curve {_style(number, system)}{dashed}"
            lines.append(polyline(frame, PRIOR_ODDS, cost, class_=style, data_system=number))
    return frame.draw(*lines, label=f"ECE plot against {_words(kind)}")


def legend(systems: Sequence[tuple[int, System]], kind: str) -> Markup:
    """Names and rates of the curves, each with a box that shows or hides it."""
    items = []
    for number, system in systems:
        box = tag("input", type="checkbox", checked=True, data_toggles=number)
        rate = f"{system.name}: {system.eer[kind].value:.2f} %" if kind in system.eer else system.name
        items.append(tag("li", tag("label", box, tag("i", class_=f"swatch {_style(number, system)}"), rate)))
    return tag("ul", *items, class_="legend")


def _style(number: int, system: System) -> str:
    """The classes of a curve and its swatch: a baseline is thin, so that no model of its colour is meant."""
    return f"s{number % 8}" + " thin" * system.baseline


def _words(kind: str) -> str:
    return {
        "random": "random forgeries",
        "skilled": "skilled forgeries",
        "same_text": "the same text by others",
    }.get(kind, kind)


def _deviates(rates: Floats) -> Floats:
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(rate)) for rate in np.clip(rates, _LEAST, 1 - _LEAST)])
