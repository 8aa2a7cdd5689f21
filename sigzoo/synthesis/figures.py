"""Free figures of paraphs, and the flourishes that end a signature."""

from __future__ import annotations

import numpy as np

from sigzoo.synthesis.hand import Hand
from sigzoo.synthesis.kinematics import Floats

__all__ = ["figure", "flourish"]


def figure(kind: str, turns: int, rng: np.random.Generator) -> Floats:
    """Return the targets of a free figure, ``(n, 2)``, beginning near the origin.

    Parameters
    ----------
    kind
        ``loops``, ``zigzag``, ``spiral``, ``waves``, ``oval`` or ``sweeps``.
    turns
        Number of repetitions; of sweeps, the strokes.
    rng
        Decides proportions; the same state gives the same figure.
    """
    if kind == "oval":
        turns = 1 + turns // 3
    if kind in ("loops", "spiral", "oval"):
        return _turning(kind, turns, rng)
    if kind == "sweeps":
        return _sweeping(turns, rng)
    step = rng.uniform(0.35, 1.3) * (1.0 if kind == "waves" else 1.3)
    height = rng.uniform(0.6, 1.4) if kind == "waves" else rng.uniform(1.2, 3.2)
    fade = rng.uniform(0.7, 1.05)
    lean = rng.normal(0.0, 0.35)
    points = []
    for i in range(2 * turns + 1):
        top = i % 2
        y = height * fade**i * (1.0 if top else 0.0) * rng.uniform(0.7, 1.25) + rng.normal(0.0, 0.12)
        points.append([0.5 * step * i * rng.uniform(0.85, 1.15) + lean * y, y])
    return np.array(points)


def _sweeping(turns: int, rng: np.random.Generator) -> Floats:
    """Targets of a few long strokes to and fro, each at an angle of its own to the last."""
    heading, points = rng.uniform(-0.4, 1.3), [np.zeros(2)]
    for _ in range(turns):
        length = rng.uniform(0.8, 2.0) if rng.random() < 0.4 else rng.uniform(2.0, 5.5)
        points.append(points[-1] + length * np.array([np.cos(heading), 0.7 * np.sin(heading)]))
        heading += np.pi + rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 1.1)
    return np.array(points)


def _turning(kind: str, turns: int, rng: np.random.Generator) -> Floats:
    """Targets on circles whose centre moves along: loops, a spiral, or an oval around the place."""
    sense = rng.choice([-1.0, 1.0])
    quarter = np.arange(4 * turns + int(rng.integers(1, 4)))
    angle = sense * quarter * np.pi / 2 + rng.uniform(0, 2 * np.pi)
    radius = {"loops": 0.9, "spiral": 1.6, "oval": 2.2}[kind] * rng.uniform(0.6, 1.3)
    along = {"loops": rng.uniform(0.12, 0.4), "spiral": 0.05, "oval": rng.uniform(0.0, 0.12)}[kind]
    growth = {"loops": rng.normal(0.0, 0.02), "spiral": rng.normal(0.0, 0.07), "oval": 0.02}[kind]
    size = radius * np.exp(np.clip(growth * quarter, -1.5, 0.7)) * rng.uniform(0.85, 1.15, len(quarter))
    wide = rng.uniform(0.5, 1.2) if kind != "oval" else rng.uniform(1.2, 2.6)
    x = wide * size * np.cos(angle) + along * quarter
    y = size * np.sin(angle) + rng.normal(0.0, 0.06) * quarter
    return np.stack([x - x[0], y - y.mean() + 0.6], axis=1)


def flourish(hand: Hand, body: Floats, end: float) -> list[tuple[Floats, bool]]:
    """Return the pieces of the hand's closing flourish, each with whether it is joined to the text.

    Parameters
    ----------
    hand
        Whose habit it is.
    body
        Targets of the text, ``(n, 2)``.
    end
        Where the text ends.
    """
    rng = hand.form("flourish")
    left, right = float(body[:, 0].min()), float(body[:, 0].max())
    length = (right - left) * hand.flourish_size
    joined = bool(rng.random() < 0.6)
    low = -rng.uniform(0.3, 1.0)
    if hand.flourish == "tail":
        up = rng.normal(0.2, 0.8)
        return [(np.array([[right + 0.3 * length, up * 0.4 + 0.2], [right + 0.6 * length, up]]), True)]
    if hand.flourish == "underline":
        start, stop = left + rng.uniform(-0.1, 0.3) * length, left + length
        if joined:
            return [
                (
                    np.array(
                        [[start + 0.3, low + 0.3], [start, low - 0.2], [stop, low + rng.normal(0, 0.2)]]
                    ),
                    True,
                )
            ]
        return [
            (np.array([[start, low], [0.5 * (start + stop), low + rng.normal(0, 0.12)], [stop, low]]), False)
        ]
    if hand.flourish == "zigzag":
        xs = [right, left + 0.3 * length, left + 0.9 * length, left + 0.5 * length, right + 0.2 * length]
        return [(np.stack([xs, low - 0.25 * np.arange(5) + rng.normal(0, 0.1, 5)], axis=1), joined)]
    if hand.flourish == "ring":
        x, wide, high = 0.5 * (left + right), 0.62 * (right - left), rng.uniform(1.3, 2.2)
        angle = np.arange(11) * np.pi / 4 * rng.choice([-1.0, 1.0]) + rng.uniform(-0.6, 0.6)
        return [(np.stack([x + wide * np.cos(angle), 0.5 + high * np.sin(angle)], axis=1), joined)]
    if hand.flourish == "cross":
        x = left + rng.uniform(0.1, 0.6) * (right - left)
        top, deep = rng.uniform(1.0, 2.4), rng.uniform(0.8, 2.0)
        return [
            (np.array([[x, top], [x + rng.normal(0, 0.5), -deep], [x + rng.uniform(0.4, 1.5), 0.2]]), joined)
        ]
    return []
