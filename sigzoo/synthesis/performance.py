"""A performance: one execution of a plan, with the variation that every repetition has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sigzoo.synthesis.hand import Hand
from sigzoo.synthesis.kinematics import Floats, Strokes, movement, strokes_through
from sigzoo.synthesis.plan import Plan

__all__ = ["Trace", "move_pen", "vary"]


@dataclass(frozen=True)
class Trace:
    """What the pen did; T samples at equal steps of time."""

    points: Floats
    """float64 ``(T, 2)``, millimetres, y up."""
    down: NDArray[np.bool_]
    """``(T,)``: whether the pen touches the paper."""
    speed: Floats
    """``(T,)``, millimetres a second."""
    pressure: Floats
    """``(T,)``, 0 to 1."""


def vary(plan: Plan, hand: Hand, rng: np.random.Generator, amount: float = 1.0) -> Plan:
    """Return the targets as this repetition aims at them.

    The variation has a part common to all (size, proportions, slant, rotation), a part for each
    letter, a slow wander along the line, and a part for each target; as in the cognitive inverse of
    GPDSsynthetic (Ferrer, Diaz-Cabrera and Morales, *IEEE TPAMI* 37, 2015). A stroke also misses its
    target by a share of its own length (Schmidt et al., *Psychological Review* 86, 1979), most of all
    along its way and when it is the last: so flourishes vary far more than letters.
    """
    s = amount * hand.steadiness
    targets = plan.targets.copy()
    units = int(plan.unit.max()) + 1
    shift = rng.normal(0.0, 0.05 * s, (units, 2))
    shift[:, 0] += np.cumsum(rng.normal(0.0, 0.05 * s, units))
    stretch = np.exp(rng.normal(0.0, 0.045 * s, (units, 2)))
    first = np.searchsorted(np.sort(plan.unit), np.arange(units))
    start = targets[np.argsort(plan.unit, kind="stable")[np.minimum(first, len(targets) - 1)]]
    targets = start[plan.unit] + (targets - start[plan.unit]) * stretch[plan.unit] + shift[plan.unit]
    targets += rng.normal(0.0, 0.035 * s, targets.shape)
    targets += _reach(plan, rng, s * hand.looseness)
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(5.0, 14.0)
    targets[:, 1] += rng.normal(0.0, 0.08 * s) * np.sin(2 * np.pi * targets[:, 0] / period + phase)
    return replace(plan, targets=targets @ _common(rng, s).T, down=_joins(plan, rng, s))


def _reach(plan: Plan, rng: np.random.Generator, spread: float) -> Floats:
    """Return by how much each target is missed, in proportion to the written way to it, ``(n, 2)``."""
    way = np.diff(plan.targets, axis=0, prepend=plan.targets[:1]) * plan.down[:, None]
    ends = ~np.append(plan.down[1:], False)
    along = rng.normal(0.0, spread, len(way)) * np.where(ends, 2.0, 1.0)
    across = rng.normal(0.0, 0.5 * spread, len(way))
    missed: Floats = way * np.clip(along, -0.4, 0.5)[:, None]
    return missed + np.stack([-way[:, 1], way[:, 0]], axis=1) * np.clip(across, -0.2, 0.2)[:, None]


def _joins(plan: Plan, rng: np.random.Generator, s: float) -> NDArray[np.bool_]:
    """Lift the pen between letters, or leave it on the paper over a short gap, now and then."""
    chance = rng.random(len(plan.down))
    between = np.append(False, np.diff(plan.unit) != 0)
    way = np.append(0.0, np.hypot(*np.diff(plan.targets, axis=0).T))
    lifted = plan.down & between & (way < 1.3) & (chance < 0.05 * s)
    joined = ~plan.down & (way < 0.9) & (chance < 0.05 * s)
    down: NDArray[np.bool_] = (plan.down & ~lifted) | joined
    down[0] = False
    return down


def _common(rng: np.random.Generator, s: float) -> Floats:
    """Return a 2 x 2 matrix: size, proportions, slant and rotation of a whole signature."""
    size, wide = np.exp(rng.normal(0.0, 0.06 * s)), np.exp(rng.normal(0.0, 0.035 * s))
    turn, shear = rng.normal(0.0, 0.03 * s), rng.normal(0.0, 0.04 * s)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix: Floats = size * rotation @ np.array([[wide, shear], [0.0, 1.0 / wide]])
    return matrix


def move_pen(plan: Plan, hand: Hand, rng: np.random.Generator) -> Trace:
    """Write the plan: lognormal strokes from target to target, summed, in the hand's own timing."""
    count = len(plan.targets) - 1
    written = plan.down[1:]
    distance = np.hypot(*np.diff(plan.targets, axis=0).T)
    seconds = hand.pace * (0.75 + 0.45 * np.sqrt(distance)) * np.exp(rng.normal(0.0, 0.07, count))
    overlap = np.clip(hand.overlap + rng.normal(0.0, 0.04, count), 0.05, 0.7)
    lifted_next = np.append(~written[1:], True)
    overlap[~written | lifted_next] = 0.12
    sigma = np.exp(np.log(0.22) + rng.normal(0.0, 0.12, count))
    strokes = strokes_through(
        plan.targets, seconds=seconds, overlap=overlap, sigma=sigma, roundness=hand.roundness
    )
    times, points = movement(strokes, (float(plan.targets[0, 0]), float(plan.targets[0, 1])))
    points = points * hand.size
    moved = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    speed = moved / (times[1] - times[0])
    down = _touching(strokes, written, times)
    pressure = _pressure(times, hand, rng) * _flying(down, hand.flight, times[1] - times[0], rng)
    return Trace(points, down, speed, pressure)


def _touching(strokes: Strokes, written: NDArray[np.bool_], times: Floats) -> NDArray[np.bool_]:
    """Whether the pen is down: not before the first stroke, after the last, or inside a lifted way."""
    begin, finish = strokes.begin, strokes.finish
    down: NDArray[np.bool_] = (times >= begin[0] - 0.01) & (times <= finish[-1] + 0.01)
    margin = 0.14 * (finish - begin)
    for i in np.flatnonzero(~written):
        low, high = np.searchsorted(times, [begin[i] + margin[i], finish[i] - margin[i]])
        down[low:high] = False
    return down


def _flying(down: NDArray[np.bool_], flight: float, step: float, rng: np.random.Generator) -> Floats:
    """Return the share of its pressure that a pen which lands and leaves in motion has, ``(T,)``."""
    change = np.diff(np.concatenate([[False], down, [False]]).astype(np.int8))
    share = np.ones(len(down))
    for begin, finish in zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True):
        after = (np.arange(finish - begin) + 0.5) * step
        lasting = (finish - begin) * step
        landing = min(flight * rng.uniform(0.2, 0.8), 0.2 * lasting)
        leaving = min(flight * rng.uniform(0.6, 1.4), 0.4 * lasting)
        part = np.minimum(after / max(landing, step), after[::-1] / max(leaving, step))
        share[begin:finish] = np.clip(part, 0.0, 1.0)
    return share


def _pressure(times: Floats, hand: Hand, rng: np.random.Generator) -> Floats:
    """Return a pressure that swings along the way as this hand's does, with a little of its own."""
    way = (times - times[0]) / max(float(times[-1] - times[0]), 1e-6)
    habit = hand.form("pressure")
    swing = np.zeros_like(way)
    for period in (1.0, 2.3, 5.1, 9.7):
        swing += habit.normal() * np.sin(2 * np.pi * (way * period + habit.random()))
        swing += 0.4 * rng.normal() * np.sin(2 * np.pi * (way * period + rng.random()))
    pressure: Floats = hand.pressure + 0.06 * rng.normal() + 0.6 * hand.pressure_swing * swing
    return pressure.clip(0.08, 1.0)
