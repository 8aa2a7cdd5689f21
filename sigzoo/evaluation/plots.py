"""DET curves of an evaluation as a picture, and Tippett and ECE plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sigzoo.errors import DataError
from sigzoo.evaluation.likelihood_ratios import PRIOR_ODDS, IsotonicCalibration, ece_curve, tippett
from sigzoo.evaluation.metrics import det_curve
from sigzoo.evaluation.run import BASELINE, Evaluation, Row
from sigzoo.evaluation.summary import calibrated_ratios
from sigzoo.imaging.figures import new_figure
from sigzoo.interfaces.protocols import GENUINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_det", "draw_likelihood_ratios"]

_TICKS = (0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 80)
_Ratios = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Log10 likelihood ratios of genuine signatures and of impostors."""
_TAIL = 0.005
"""Share of the ratios at each end that a Tippett plot may leave out: one outlier must not squeeze it."""
_KINDS = ("skilled", "random", "same_text")
_LEAST = 5e-4
"""Rates below this, and above one less it, lie outside of the picture."""


def draw_det(path: Path, rows: Sequence[Row]) -> None:
    """Draw FRR over FAR on the axes of normal deviates (Martin et al., 1997): a panel each kind of impostor.

    Parameters
    ----------
    path
        Where to, by its ending ``.png``, ``.pdf``, ``.svg`` or ``.jpg``.
    rows
        Those that have trials are drawn, baselines left out; of each all draws together.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    drawn = [row for row in rows if row.trials and row.model != BASELINE]
    kinds = [kind for kind in _KINDS if any(kind in row.measured for row in drawn)]
    figure = new_figure(5.5 * max(1, len(kinds)), 5.5)
    for place, kind in enumerate(kinds, start=1):
        axes = figure.add_subplot(1, len(kinds), place)
        for row in drawn:
            if kind in row.measured:
                genuine = np.concatenate([each.scores[each.of(GENUINE)] for each in row.trials])
                impostor = np.concatenate([each.scores[each.of(kind)] for each in row.trials])
                _, far, frr = det_curve(genuine, impostor)
                label = f"{row.model} {row.layer}, {row.protocol}: {row.measured[kind].eer:.2f} %"
                axes.plot(_deviates(far), _deviates(frr), label=label, linewidth=1.2)
        ticks = _deviates(np.array(_TICKS) / 100)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks.tolist(), [f"{tick:g}" for tick in _TICKS])
        axes.set_xlim(ticks[0], ticks[-1])
        axes.set_ylim(ticks[0], ticks[-1])
        axes.plot(ticks[[0, -1]], ticks[[0, -1]], color="0.7", linewidth=0.8)
        axes.set_xlabel(f"FAR of {kind.replace('_', '-')} impostors, %")
        axes.set_ylabel("FRR, %")
        axes.grid(color="0.9")
        axes.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def draw_likelihood_ratios(path: Path, evaluation: Evaluation) -> None:
    """Draw a Tippett and an ECE plot for each kind of impostor: what the scores are worth as evidence.

    The likelihood ratios of a writer are calibrated on the other writers, and all draws stand together.

    Parameters
    ----------
    path
        Where to, by its ending ``.png``, ``.pdf``, ``.svg`` or ``.jpg``.
    evaluation
        Rows that have trials are drawn, baselines left out.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    DataError
        If there are too few writers to calibrate on others.
    """
    drawn: dict[str, list[tuple[str, _Ratios]]] = {}
    for row in evaluation.rows:
        for kind in _KINDS if row.model != BASELINE else ():
            found = calibrated_ratios(row.trials, kind, evaluation.known)
            if found is not None:
                drawn.setdefault(kind, []).append((f"{row.model} {row.layer}, {row.protocol}", found))
    if not drawn:
        raise DataError(
            "There are no likelihood ratios to draw: they take ten writers, as those of each are calibrated"
            " on others."
        )
    most = max(map(len, drawn.values()))
    figure = new_figure(11, 4.5 * len(drawn) + 0.2 * most + 0.5)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(drawn), 2, squeeze=False)
    for (left, right), (kind, ratios) in zip(panels, drawn.items(), strict=True):
        _draw_tippett(left, ratios)
        _draw_ece(right, ratios)
        for axes in (left, right):
            axes.set_title(f"{kind.replace('_', '-')} impostors", fontsize=10)
            axes.grid(color="0.9")
    handles, labels = max(
        (right.get_legend_handles_labels() for _, right in panels), key=lambda each: len(each[1])
    )
    figure.legend(handles, labels, loc="outside lower center", fontsize=7)
    figure.savefig(path, dpi=150)


def _draw_tippett(axes: Axes, systems: Sequence[tuple[str, _Ratios]]) -> None:
    """Shares of the ratios at or above each value: genuine ones in whole lines, impostors' dashed."""
    for place, (label, ratios) in enumerate(systems):
        found, colour = tippett(*ratios), f"C{place % 10}"
        axes.step(found.log10_lr, 100 * found.genuine, where="pre", color=colour, label=label, linewidth=1.2)
        axes.step(found.log10_lr, 100 * found.impostor, "--", where="pre", color=colour, linewidth=1.2)
    every = np.concatenate([part for _, ratios in systems for part in ratios])
    low, high = np.quantile(every, (_TAIL, 1 - _TAIL))
    axes.set_xlim(min(float(low), -1.0), max(float(high), 1.0))
    axes.axvline(0, color="0.7", linewidth=0.8)
    axes.set_xlabel("log10 likelihood ratio")
    axes.set_ylabel("at or above it, % (impostors dashed)")


def _draw_ece(axes: Axes, systems: Sequence[tuple[str, _Ratios]]) -> None:
    """Cost of the ratios over the prior odds; dashed after the best calibration, grey without evidence."""
    for place, (label, (genuine, impostor)) in enumerate(systems):
        best, colour = IsotonicCalibration.fit(genuine, impostor), f"C{place % 10}"
        cost, _ = ece_curve(genuine, impostor, PRIOR_ODDS)
        least, _ = ece_curve(best.log10_lr(genuine), best.log10_lr(impostor), PRIOR_ODDS)
        axes.plot(PRIOR_ODDS, cost, color=colour, label=label, linewidth=1.2)
        axes.plot(PRIOR_ODDS, least, "--", color=colour, linewidth=1.2)
    _, none = ece_curve([0.0], [0.0], PRIOR_ODDS)
    axes.plot(PRIOR_ODDS, none, ":", color="0.4", label="no evidence")
    axes.set_ylim(0, 1.2)
    axes.set_xlabel("log10 of the prior odds")
    axes.set_ylabel("empirical cross-entropy, bits (best calibration dashed)")


def _deviates(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    distinct, places = np.unique(np.clip(rates, _LEAST, 1 - _LEAST), return_inverse=True)
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(rate)) for rate in distinct])[places]
