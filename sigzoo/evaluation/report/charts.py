"""Charts of one system: its scores, and its embeddings."""

from __future__ import annotations

from collections import Counter

import numpy as np

from sigzoo.evaluation.report.contents import EmbeddingMap, System
from sigzoo.evaluation.report.svg import Axis, Frame, nice_ticks
from sigzoo.pages.markup import Markup, join, tag

__all__ = ["embedding_chart", "score_chart"]

_BINS = 40
_COLOURED = 8
"""Writers that have a colour of their own on the map."""
_TAIL = 0.002
"""Share of the scores at each end that may lie outside of a histogram: one outlier must not flatten it."""


def score_chart(system: System) -> Markup:
    """Histograms of the scores, each kind's share, and where the errors are equal."""
    scores = {"genuine": system.genuine, **system.impostors}
    everything = np.concatenate(list(scores.values()))
    low, high = (float(each) for each in np.quantile(everything, (_TAIL, 1 - _TAIL)))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    shares = {
        kind: np.histogram(np.clip(values, low, high), edges)[0] / len(values)
        for kind, values in scores.items()
        if len(values)
    }
    most = 100 * max(float(each.max()) for each in shares.values())
    frame = Frame(
        Axis(low, high, nice_ticks(low, high), "score (higher: more likely genuine)"),
        Axis(0, most, nice_ticks(0, most), "share of its kind (%)"),
        height=300,
    )
    inside = [_steps(frame, edges, 100 * each, f"area {kind}") for kind, each in shares.items()]
    if system.threshold is not None and low <= system.threshold <= high:
        at = round(float(frame.px(np.array(system.threshold))), 1)
        line = tag("line", x1=at, x2=at, y1=frame.top, y2=frame.height - frame.bottom, class_="threshold")
        inside.append(line)
    keys = [
        tag("li", tag("i", class_=f"swatch {kind}"), f"{kind.replace('_', ' ')} ({len(scores[kind]):,})")
        for kind in shares
    ]
    if system.threshold is not None:
        told = f"equal errors of {(system.hardest_kind or '').replace('_', ' ')} at {system.threshold:.4g}"
        keys.append(tag("li", tag("i", class_="swatch dashed"), told))
    chart = frame.draw(*inside, label=f"histograms of the scores of {system.name}")
    return join([chart, tag("ul", *keys, class_="legend")])


def _steps(frame: Frame, edges: np.ndarray, shares: np.ndarray, kind: str) -> Markup:
    x = np.repeat(edges, 2)
    y = np.concatenate([[0.0], np.repeat(shares, 2), [0.0]])
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(frame.px(x), frame.py(y), strict=True))
    return tag("polygon", points=points, class_=kind)


def embedding_chart(found: EmbeddingMap) -> Markup:
    """A point a signature, a ring a forgery; the writers with most signatures in colours."""
    low, high = found.points.min(axis=0), found.points.max(axis=0)
    margin = 0.03 * np.maximum(high - low, 1e-9)
    x, y = (Axis(float(a), float(b), [], "") for a, b in zip(low - margin, high + margin, strict=True))
    frame = Frame(x, y, height=420, left=12, bottom=12)
    order = [writer for writer, _ in Counter(found.writers).most_common(_COLOURED)]
    colour = {writer: f"s{place}" for place, writer in enumerate(sorted(order))}
    places = zip(frame.px(found.points[:, 0]), frame.py(found.points[:, 1]), strict=True)
    marks = []
    for (left, top), writer, forged, name in zip(
        places, found.writers, found.forged, found.names, strict=True
    ):
        told = tag("title", f"{writer}, {'forged' if forged else 'genuine'}: {name}")
        kind = f"{'ring' if forged else 'dot'} {colour.get(writer, 'other')}"
        marks.append(tag("circle", told, cx=f"{left:.1f}", cy=f"{top:.1f}", r=3.2, class_=kind))
    keys = [
        tag("li", tag("i", class_=f"swatch {colour[writer]}"), f"writer {writer}") for writer in sorted(order)
    ]
    if len(set(found.writers)) > len(order):
        keys.append(tag("li", tag("i", class_="swatch other"), "other writers"))
    chart = frame.draw(*marks, label=f"{found.method} of the embeddings")
    said = f"{found.method}. A dot is a genuine signature, a ring a forgery of the same colour's writer."
    return join([chart, tag("ul", *keys, class_="legend"), tag("p", said, class_="small")])
