"""Conditions under which signatures are written and photographed: which pen, which scanner."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigzoo.synthesis.rendering import Pen, Scan

__all__ = ["Rendering", "office", "varied"]

Rendering = Callable[[np.random.Generator], tuple[Pen, Scan]]
"""Draws the pen and the scan of one image."""


def office(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw an ordinary pen and a clean scan: white paper, 300 dpi, a little noise."""
    fibre = rng.random() < 0.25
    pen = Pen(
        width=float(rng.uniform(0.45, 0.62) if fibre else rng.uniform(0.28, 0.44)),
        swell=float(rng.uniform(0.5, 0.9)),
        thinning=float(rng.uniform(0.15, 0.4)),
        darkness=float(rng.uniform(0.85, 0.95) if fibre else rng.uniform(0.75, 0.9)),
        fading=float(rng.uniform(0.05, 0.15) if fibre else rng.uniform(0.15, 0.4)),
        grain=float(rng.uniform(0.02, 0.06) if fibre else rng.uniform(0.06, 0.16)),
    )
    return pen, Scan(blur=float(rng.uniform(0.45, 0.75)), paper=float(rng.uniform(249, 254)))


def varied(rng: np.random.Generator) -> tuple[Pen, Scan]:
    """Draw any pen and any machine: tablets, fibre pens, pencils; poor scans, photographs, two levels."""
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
