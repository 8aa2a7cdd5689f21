"""Conditions under which signatures are written and photographed: which pen, which scanner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sigzoo.errors import UnknownNameError, UsageError
from sigzoo.synthesis.rendering import Pen, Scan

__all__ = [
    "PENS",
    "RENDERINGS",
    "Rendering",
    "binarised",
    "conditions",
    "jpeg",
    "office",
    "photographed",
    "scanner",
    "tablet",
    "varied",
]

Rendering = Callable[[np.random.Generator], tuple[Pen, Scan]]
"""Draws the pen and the scan of one image."""


def office(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw an ordinary pen and a clean scan: white paper, 300 dpi, a little noise.

    Parameters
    ----------
    rng
        What is drawn from.

    Returns
    -------
    pen, scan
        For `Writer`.
    """
    fibre = rng.random() < 0.25
    pen = Pen(
        width=float(rng.uniform(0.45, 0.62) if fibre else rng.uniform(0.28, 0.44)),
        swell=float(rng.uniform(0.5, 0.9)),
        thinning=float(rng.uniform(0.15, 0.4)),
        darkness=float(rng.uniform(0.85, 0.95) if fibre else rng.uniform(0.75, 0.9)),
        fading=float(rng.uniform(0.05, 0.15) if fibre else rng.uniform(0.15, 0.4)),
        grain=float(rng.uniform(0.02, 0.06) if fibre else rng.uniform(0.06, 0.16)),
        taper=float(rng.uniform(0.3, 0.7) if fibre else rng.uniform(0.6, 1.0)),
    )
    return pen, Scan(blur=float(rng.uniform(0.45, 0.75)), paper=float(rng.uniform(249, 254)))


def varied(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw any pen and any machine: tablets, fibre pens, pencils; poor scans, photographs, two levels.

    Parameters
    ----------
    rng
        What is drawn from.

    Returns
    -------
    pen, scan
        For `Writer`.
    """
    kind = str(rng.choice(["pen", "fibre", "pencil", "tablet"], p=[0.5, 0.2, 0.1, 0.2]))
    width = {"pen": (0.2, 0.6), "fibre": (0.5, 1.2), "pencil": (0.25, 0.6), "tablet": (0.15, 1.0)}[kind]
    darkness = {"pen": (0.5, 0.92), "fibre": (0.7, 0.97), "pencil": (0.2, 0.55), "tablet": (0.85, 1.0)}[kind]
    plain = kind == "tablet"
    pen = Pen(
        width=float(np.exp(rng.uniform(*np.log(width)))),
        swell=0.0 if plain else float(rng.uniform(0.2, 1.1)),
        thinning=float(rng.uniform(0.0, 0.1) if plain else rng.uniform(0.0, 0.5)),
        darkness=float(rng.uniform(*darkness)),
        fading=0.0 if plain else float(rng.uniform(0.0, 0.5)),
        grain=0.0 if plain else float(rng.uniform(0.0, 0.3 if kind == "pencil" else 0.15)),
        taper=0.0 if plain else float(rng.uniform(0.2, 1.0)),
    )
    photograph = not plain and rng.random() < 0.2
    scan = Scan(
        dpi=float(np.exp(rng.uniform(np.log(55), np.log(260)))),
        margin=float(rng.uniform(0.5, 6.0)),
        paper=255.0 if plain else float(rng.uniform(130, 225) if photograph else rng.uniform(225, 255)),
        shade=float(rng.uniform(5, 60)) if photograph else 0.0,
        blur=float(rng.uniform(0.0, 1.3 if photograph else 0.8)),
        noise=0.0 if plain else float(rng.uniform(0.0, 5.0 if photograph else 2.5)),
        jpeg=int(rng.integers(35, 90)) if rng.random() < 0.25 else None,
        two_level=bool(rng.random() < 0.12) and kind != "pencil",
    )
    return pen, scan


def scanner(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw any pen on paper and a flatbed scanner at 300 or 600 dpi; some scans are JPEG or two-level."""
    pencil, pen = _paper_pen(rng)
    scan, kind = _flatbed(rng), rng.random()
    if kind < 0.25:
        return pen, replace(scan, jpeg=_quality(rng))
    return pen, replace(scan, two_level=bool(kind < 0.4 and not pencil))


def jpeg(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw any pen on paper and a flatbed scanner whose images are JPEG-compressed, quality 35 to 89."""
    pen = _paper_pen(rng)[1]
    return pen, replace(_flatbed(rng), jpeg=_quality(rng))


def binarised(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw any pen on paper and a flatbed scanner that knows black and white only."""
    pen = _paper_pen(rng)[1]
    return pen, replace(_flatbed(rng), two_level=True)


def tablet(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw a stylus and a signing tablet: even dark lines on pure white, 300 dpi."""
    pen = PENS["stylus"](rng)
    return pen, Scan(
        margin=float(rng.uniform(0.5, 6.0)), paper=255.0, noise=0.0, blur=float(rng.uniform(0, 0.6))
    )


def photographed(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw any pen on paper and a photograph: grey paper in uneven light, noise, JPEG; 150 to 300 dpi."""
    pen = _paper_pen(rng)[1]
    return pen, Scan(
        dpi=float(np.exp(rng.uniform(np.log(150), np.log(300)))),
        margin=float(rng.uniform(1.0, 8.0)),
        paper=float(rng.uniform(130, 225)),
        shade=float(rng.uniform(10, 60)),
        blur=float(rng.uniform(0.5, 1.5)),
        noise=float(rng.uniform(1.0, 5.0)),
        jpeg=int(rng.integers(60, 93)),
    )


def conditions(name: str, *, dpi: float | None = None, pen: str | None = None) -> Rendering:
    """Return a rendering by name, with the resolution or the kind of pen held fixed.

    Parameters
    ----------
    name
        One of `RENDERINGS`.
    dpi
        Resolution of every image, 50 to 1200; by default as the rendering draws it. The blur of a scan
        is counted in its pixels, so a scan of more pixels is sharper.
    pen
        One of `PENS`; by default as the rendering draws it.

    Returns
    -------
    function
        Draws pen and scan from a random generator, as `DatasetSpec.rendering` does.

    Raises
    ------
    UnknownNameError
        If there is no such rendering or pen.
    UsageError
        If the resolution is out of range.
    """
    if name not in RENDERINGS:
        raise UnknownNameError("rendering", name, RENDERINGS)
    if pen is not None and pen not in PENS:
        raise UnknownNameError("pen", pen, PENS)
    if dpi is not None and not 50 <= dpi <= 1200:
        raise UsageError(f"A resolution must be 50 to 1200 dpi, got {dpi}.")
    chosen = RENDERINGS[name]
    return chosen if dpi is None and pen is None else _Fixed(chosen, dpi, pen)


@dataclass(frozen=True)
class _Fixed:
    """A rendering with something held fixed; an object of a class, which other processes can be sent."""

    rendering: Rendering
    dpi: float | None
    pen: str | None

    def __call__(self, rng: np.random.Generator) -> tuple[Pen, Scan]:
        pen, scan = self.rendering(rng)
        if self.pen is not None:
            pen = PENS[self.pen](rng)
        return pen, scan if self.dpi is None else replace(scan, dpi=float(self.dpi))


def _flatbed(rng: np.random.Generator) -> Scan:
    return Scan(
        dpi=float(rng.choice([300.0, 600.0])),
        margin=float(rng.uniform(1.0, 6.0)),
        paper=float(rng.uniform(235, 255)),
        blur=float(rng.uniform(0.3, 1.1)),
        noise=float(rng.uniform(0.5, 3.0)),
    )


def _quality(rng: np.random.Generator) -> int:
    return int(rng.integers(35, 90))


def _paper_pen(rng: np.random.Generator) -> tuple[bool, Pen]:
    """Draw a pen, and say whether it is a pencil."""
    kind = str(rng.choice(["ballpoint", "fibre", "pencil"], p=[0.6, 0.25, 0.15]))
    return kind == "pencil", PENS[kind](rng)


def _drawn(parts: Mapping[str, float | tuple[float, float]], rng: np.random.Generator) -> Pen:
    """Draw a pen: what is a range evenly from it, in this order; what is a number as it is."""
    return Pen(
        **{
            part: float(rng.uniform(*value)) if isinstance(value, tuple) else value
            for part, value in parts.items()
        }
    )


_PENS: dict[str, dict[str, float | tuple[float, float]]] = {
    "ballpoint": {
        "width": (0.25, 0.5),
        "swell": (0.4, 0.9),
        "thinning": (0.1, 0.4),
        "darkness": (0.65, 0.92),
        "fading": (0.1, 0.4),
        "grain": (0.04, 0.16),
        "taper": (0.6, 1.0),
    },
    "fibre": {
        "width": (0.45, 1.0),
        "swell": (0.4, 0.9),
        "thinning": (0.1, 0.4),
        "darkness": (0.8, 0.97),
        "fading": (0.02, 0.15),
        "grain": (0.01, 0.06),
        "taper": (0.3, 0.7),
    },
    "pencil": {
        "width": (0.3, 0.6),
        "swell": (0.2, 0.7),
        "thinning": (0.0, 0.3),
        "darkness": (0.3, 0.6),
        "fading": (0.2, 0.5),
        "grain": (0.15, 0.35),
        "taper": (0.5, 1.0),
    },
    "stylus": {
        "width": (0.25, 0.9),
        "swell": 0.0,
        "thinning": (0.0, 0.1),
        "darkness": (0.85, 1.0),
        "fading": 0.0,
        "grain": 0.0,
        "taper": 0.0,
    },
}

PENS: dict[str, Callable[[np.random.Generator], Pen]] = {
    name: partial(_drawn, parts) for name, parts in _PENS.items()
}
"""Kinds of pen by name."""

RENDERINGS: dict[str, Rendering] = {
    "office": office,
    "scanner": scanner,
    "jpeg": jpeg,
    "binarised": binarised,
    "tablet": tablet,
    "photographed": photographed,
    "varied": varied,
}
"""Renderings by name."""
