"""Frames of charts in SVG: axes with ticks, lines, and where a value lies in the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigzoo.pages.markup import Markup, tag

__all__ = ["Axis", "Frame", "nice_ticks", "polyline"]

Floats = NDArray[np.float64]

_MOST_POINTS = 400
"""Of a line: more cannot be seen."""


@dataclass(frozen=True)
class Axis:
    """One direction of a chart."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    """Value and text."""
    title: str

    def at(self, values: Floats) -> Floats:
        """Values as shares of the axis, 0 to 1; what lies outside is put on its end."""
        span = (self.high - self.low) or 1.0
        shares: Floats = np.clip((np.asarray(values, np.float64) - self.low) / span, 0.0, 1.0)
        return shares


@dataclass(frozen=True)
class Frame:
    """A chart's frame, drawn with its axes."""

    x: Axis
    y: Axis
    width: int = 440
    height: int = 400
    left: int = 52
    bottom: int = 46
    top: int = 12
    right: int = 12

    def px(self, values: Floats) -> Floats:
        """Pixels from the left."""
        return self.left + self.x.at(values) * (self.width - self.left - self.right)

    def py(self, values: Floats) -> Floats:
        """Pixels from the top."""
        return self.height - self.bottom - self.y.at(values) * (self.height - self.top - self.bottom)

    def draw(self, *inside: Markup | None, label: str) -> Markup:
        """The chart with what is in it; `label` says to a screen reader what it shows."""
        floor, ceiling, end = self.height - self.bottom, self.top, self.width - self.right
        parts: list[Markup] = []
        for value, text in self.x.ticks:
            at = round(float(self.px(np.array(value))), 1)
            parts.append(tag("line", class_="grid", x1=at, x2=at, y1=ceiling, y2=floor))
            parts.append(tag("text", text, class_="tick", x=at, y=floor + 15, text_anchor="middle"))
        for value, text in self.y.ticks:
            at = round(float(self.py(np.array(value))), 1)
            parts.append(tag("line", class_="grid", x1=self.left, x2=end, y1=at, y2=at))
            parts.append(tag("text", text, class_="tick", x=self.left - 6, y=at + 4, text_anchor="end"))
        middle = (self.left + end) / 2, (ceiling + floor) / 2
        parts.append(
            tag("text", self.x.title, class_="axis", x=middle[0], y=self.height - 8, text_anchor="middle")
        )
        turned = f"translate(14 {middle[1]}) rotate(-90)"
        parts.append(tag("text", self.y.title, class_="axis", transform=turned, text_anchor="middle"))
        return tag(
            "svg", *parts, *inside, viewBox=f"0 0 {self.width} {self.height}", role="img", aria_label=label
        )


def polyline(frame: Frame, x: Floats, y: Floats, **attributes: object) -> Markup:
    """A line through points, thinned to what can be seen."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).round().astype(int))
    points = " ".join(
        f"{a:.1f},{b:.1f}" for a, b in zip(frame.px(x[chosen]), frame.py(y[chosen]), strict=True)
    )
    return tag("polyline", points=points, **attributes)


def nice_ticks(
    low: float, high: float, write: Callable[[float], str] = "{:g}".format
) -> list[tuple[float, str]]:
    """Some five round values between two."""
    if not high > low:
        return [(low, write(low))]
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * next(each for each in (1, 2, 5, 10) if each * power >= rough))
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [(n * step, write(round(n * step, 10))) for n in range(first, last + 1)]
