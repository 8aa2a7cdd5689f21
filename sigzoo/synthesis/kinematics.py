"""Rapid movements as sums of strokes with lognormal speed along circular arcs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Strokes", "movement", "normal_cdf", "strokes_through"]

Floats = NDArray[np.float64]

_REACH = 4.0
"""Standard deviations of log time after which a stroke counts as not begun or over (3e-5 of it)."""

_GRID = np.linspace(-6.0, 6.0, 12001)
_CDF = np.array([0.5 * math.erfc(-z / math.sqrt(2.0)) for z in _GRID])


@dataclass(frozen=True)
class Strokes:
    """Strokes of one movement; every field is float64 ``(J,)``.

    The speed of stroke j at time t is ``length * Lambda(t; onset, mu, sigma)`` with the lognormal
    density Lambda of the sigma-lognormal model (Plamondon 1995; O'Reilly and Plamondon,
    *Pattern Recognition* 42, 2009, equations 1 to 3); its direction turns from `angle_start` to
    `angle_end` in proportion to the way done.
    """

    onset: Floats
    """Time at which the command is given, seconds."""
    mu: Floats
    """Log time delay (seconds)."""
    sigma: Floats
    """Log response time."""
    length: Floats
    """Way along the arc, in the unit of the targets."""
    angle_start: Floats
    """Direction at the beginning, radians."""
    angle_end: Floats
    """Direction at the end, radians."""

    @property
    def begin(self) -> Floats:
        """Time at which each stroke begins to show, seconds."""
        return self.onset + np.exp(self.mu - 3.0 * self.sigma)

    @property
    def finish(self) -> Floats:
        """Time at which each stroke is as good as done, seconds."""
        return self.onset + np.exp(self.mu + 3.0 * self.sigma)

    def speed(self, times: Floats) -> Floats:
        """Speed of every stroke: times ``(T,)`` in seconds to ``(T, J)``, units a second."""
        since = times[:, None] - self.onset
        running = since > 0
        safe = np.where(running, since, 1.0)
        z = (np.log(safe) - self.mu) / self.sigma
        density = np.exp(-0.5 * z * z) / (safe * self.sigma * math.sqrt(2.0 * math.pi))
        return np.where(running, self.length * density, 0.0)


def normal_cdf(z: Floats) -> Floats:
    """Return the standard normal distribution function, from a table (error below 1e-7)."""
    below: Floats = np.interp(z, _GRID, _CDF)
    return below


def movement(strokes: Strokes, origin: tuple[float, float], step: float = 0.005) -> tuple[Floats, Floats]:
    """Add up the strokes as vectors.

    Parameters
    ----------
    strokes
        The strokes, J of them.
    origin
        Where the pen is at first, ``(x, y)``.
    step
        Time between samples, seconds.

    Returns
    -------
    times : float64 ``(T,)``
        Seconds.
    points : float64 ``(T, 2)``
        Positions, x and y. The integral over each arc is exact, so the way does not depend on `step`.
    """
    begin = strokes.onset + np.exp(strokes.mu - _REACH * strokes.sigma)
    finish = strokes.onset + np.exp(strokes.mu + _REACH * strokes.sigma)
    first = float(begin.min()) - step
    times: Floats = first + step * np.arange(
        math.ceil((float(finish.max()) - first) / step) + 2, dtype=np.float64
    )
    low = np.floor((begin - first) / step).astype(np.int64)
    count = np.ceil((finish - first) / step).astype(np.int64) - low + 1
    stroke = np.repeat(np.arange(len(low)), count)
    place = np.arange(len(stroke)) - np.repeat(np.cumsum(count) - count, count)
    index = np.repeat(low, count) + place
    since = np.maximum(first + step * index - strokes.onset[stroke], 1e-12)
    done = normal_cdf((np.log(since) - strokes.mu[stroke]) / strokes.sigma[stroke])
    done[place == 0] = 0.0
    done[np.cumsum(count) - 1] = 1.0
    way = _arc(strokes, stroke, done)
    moved = np.diff(way, axis=0, prepend=way[:1])
    moved[place == 0] = 0.0
    total = np.stack([np.bincount(index, moved[:, axis], minlength=len(times)) for axis in (0, 1)], axis=1)
    points: Floats = np.cumsum(total[: len(times)], axis=0) + np.asarray(origin)
    return times, points


def _arc(strokes: Strokes, stroke: NDArray[np.int64], done: Floats) -> Floats:
    """Displacement along the arcs when the share `done` of each stroke's length is covered."""
    start, turn = strokes.angle_start[stroke], (strokes.angle_end - strokes.angle_start)[stroke]
    angle = start + 0.5 * turn * done
    chord = strokes.length[stroke] * done * np.sinc(0.5 * turn * done / np.pi)
    return np.stack([chord * np.cos(angle), chord * np.sin(angle)], axis=1)


def strokes_through(
    targets: Floats,
    *,
    seconds: Floats,
    overlap: Floats,
    sigma: Floats,
    roundness: float = 1.0,
) -> Strokes:
    """Plan one stroke between each two virtual targets.

    Parameters
    ----------
    targets
        float64 ``(J + 1, 2)``.
    seconds
        Duration of each stroke, ``(J,)``.
    overlap
        Share of its duration for which a stroke runs together with the next, ``(J,)``; 0 stops at
        every target, 0.6 cuts the corners as fluent writing does.
    sigma
        Log response time of each stroke, ``(J,)``; small is symmetric.
    roundness
        0 moves in straight lines, 1 in arcs tangent to each other.
    """
    chord = np.diff(targets, axis=0)
    distance = np.maximum(np.hypot(chord[:, 0], chord[:, 1]), 1e-9)
    heading = np.arctan2(chord[:, 1], chord[:, 0])
    bend = roundness * _bends(heading)
    mu = np.log(seconds / (np.exp(3.0 * sigma) - np.exp(-3.0 * sigma)))
    begin = np.concatenate([[0.0], np.cumsum(seconds * (1.0 - overlap))[:-1]])
    return Strokes(
        onset=begin - np.exp(mu - 3.0 * sigma),
        mu=mu,
        sigma=sigma,
        length=distance / np.sinc(bend / np.pi),
        angle_start=heading - bend,
        angle_end=heading + bend,
    )


def _bends(heading: Floats) -> Floats:
    """Half angles of the arcs which make neighbouring strokes tangent; cusps stay cusps."""
    turn = (np.diff(heading) + np.pi) % (2.0 * np.pi) - np.pi
    turn = np.where(np.abs(turn) > 2.5, 0.0, turn)
    before = np.concatenate([[0.0], turn])
    after = np.concatenate([turn, [0.0]])
    bend: Floats = 0.25 * (before + after)
    return bend.clip(-1.1, 1.1)
