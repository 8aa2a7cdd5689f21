"""A hand: the habits of one person, the same in everything that person writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Hand"]


@dataclass(frozen=True)
class Hand:
    """Habits of writing; lengths are in heights of the middle zone unless said otherwise."""

    seed: int
    """Decides this hand's own forms of the letters."""
    slant: float
    """Shift to the right for each unit of height."""
    width: float
    """Stretch of letters along the line."""
    gap: float
    """Space between letters; `word_gap` between words."""
    word_gap: float
    ascender: float
    """Stretch of what rises above the middle zone; `descender` of what falls below the base line."""
    descender: float
    capital: float
    """Stretch of capitals."""
    joining: float
    """Probability that a letter (or the next stroke of a character) is joined to the last one."""
    neglect: float
    """Probability that a letter becomes a mere wave, growing along the word; above 1 for a scrawl."""
    distortion: float
    """Standard deviation by which this hand's letter forms deviate from the copybook."""
    slope: float
    """Rise of the base line; `arch` is its curvature."""
    arch: float
    rise: float
    """Rise of horizontal strokes inside characters."""
    flourish: str
    """``none``, ``underline``, ``zigzag``, ``tail``, ``ring`` or ``cross``."""
    flourish_size: float
    size: float
    """Height of the middle zone, millimetres (a character of Chinese is four times that high)."""
    pace: float
    """Seconds for a stroke of one unit."""
    overlap: float
    """Fluency: share of a stroke's duration that runs together with the next one."""
    roundness: float
    """0 straight, 1 round."""
    pressure: float
    """Mean pressure, 0 to 1; `pressure_swing` is how much it changes along the way."""
    pressure_swing: float
    steadiness: float
    """Factor on all variation between this hand's samples; 1 is usual, small is steady."""
    looseness: float
    """Variation of a stroke's reach, as a share of its length, on top of all other."""
    flight: float
    """Seconds in which the pen comes down and leaves while it moves; near 0 it stops, then lifts."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Hand:
        """Draw the habits of a new person."""
        flourish = rng.choice(
            ["none", "underline", "zigzag", "tail", "ring", "cross"], p=[0.42, 0.2, 0.06, 0.18, 0.06, 0.08]
        )
        pace = float(rng.uniform(0.05, 0.13))
        neglect = float(rng.choice([0.0, rng.uniform(0.2, 0.9), rng.uniform(1.0, 2.5)], p=[0.5, 0.35, 0.15]))
        # Who writes fast and leaves letters out repeats himself less exactly: one sees it in the line.
        # Little more is left to chance: how alike a person's signatures are would differ twice as much
        # from person to person as it does among real ones, and no picture would show whose are which.
        haste = (0.13 - pace) / 0.08 + 0.5 * min(neglect, 1.0)
        return cls(
            seed=int(rng.integers(2**31)),
            slant=float(np.clip(rng.normal(0.22, 0.26), -0.4, 0.9)),
            width=float(rng.uniform(0.65, 1.5)),
            gap=float(rng.uniform(0.0, 0.38)),
            word_gap=float(rng.uniform(0.4, 1.9)),
            ascender=float(rng.uniform(0.6, 1.6)),
            descender=float(rng.uniform(0.5, 1.7)),
            capital=float(rng.uniform(0.85, 1.75)),
            joining=float(rng.choice([rng.uniform(0.0, 0.35), rng.uniform(0.75, 1.0)], p=[0.3, 0.7])),
            neglect=neglect,
            distortion=float(rng.uniform(0.05, 0.13)),
            slope=float(rng.normal(0.06, 0.1)),
            arch=float(rng.normal(0.0, 0.012)),
            rise=float(rng.normal(0.08, 0.09)),
            flourish=str(flourish),
            flourish_size=float(rng.uniform(0.5, 1.3)),
            size=float(np.clip(np.exp(rng.normal(0.95, 0.26)), 1.7, 5.0)),
            pace=pace,
            overlap=float(rng.uniform(0.2, 0.58)),
            roundness=float(rng.uniform(0.5, 1.0)),
            pressure=float(rng.uniform(0.4, 0.85)),
            pressure_swing=float(rng.uniform(0.05, 0.3)),
            steadiness=float(min(np.exp(rng.normal(0.0, 0.13) + 0.45 * (haste - 0.4)), 1.6)),
            looseness=float(min(np.exp(rng.normal(-3.2, 0.3) + 0.75 * haste), 0.16)),
            flight=float(rng.choice([rng.uniform(0.0, 0.03), rng.uniform(0.03, 0.14)], p=[0.35, 0.65])),
        )

    def form(self, key: str) -> np.random.Generator:
        """Return the source of this hand's own form of the shape named `key`; the same at every call."""
        return np.random.default_rng([self.seed, *key.encode()])
