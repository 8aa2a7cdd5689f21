"""The DET curves of an evaluation as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sigzoo.evaluation.metrics import det_curve
from sigzoo.evaluation.run import BASELINE, Row
from sigzoo.imaging.figures import new_figure
from sigzoo.interfaces.protocols import GENUINE

__all__ = ["draw_det"]

_TICKS = (0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 80)
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
    kinds = [
        kind for kind in ("skilled", "random", "same_text") if any(kind in row.measured for row in drawn)
    ]
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


def _deviates(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    distinct, places = np.unique(np.clip(rates, _LEAST, 1 - _LEAST), return_inverse=True)
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(rate)) for rate in distinct])[places]
