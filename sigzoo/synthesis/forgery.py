"""Skilled forgeries: another person's execution of a shape that this person has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sigzoo.synthesis.hand import Hand
from sigzoo.synthesis.kinematics import Floats
from sigzoo.synthesis.performance import Trace, move_pen
from sigzoo.synthesis.plan import Plan

__all__ = ["Forger", "forge"]


@dataclass(frozen=True)
class Forger:
    """A forger: a hand, and how far it gives way to the task."""

    hand: Hand
    care: float
    """0 draws fluently and misses the shape, 1 draws slowly and meets it but trembles."""
    eye: float
    """Factor on the errors of shape; 1 is usual."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Forger:
        """Draw a new forger."""
        return cls(Hand.draw(rng), float(rng.uniform(0.0, 1.0)), float(np.exp(rng.normal(0.6, 0.35))))


def forge(observed: Plan, target: Hand, forger: Forger, habit: int, rng: np.random.Generator) -> Trace:
    """Execute a genuine signature's shape with a forger's hand.

    Parameters
    ----------
    observed
        Targets of the genuine signature that the forger has before him.
    target
        The hand of the writer who is imitated; its size and pace are what the forger tries to meet.
    forger
        Who forges.
    habit
        Seed of the errors that this forger makes every time with this signature.
    rng
        Source of what differs between the forger's attempts.
    """
    constant = np.random.default_rng(habit)
    targets = observed.targets @ _own_slant(forger.hand, target, 0.35).T
    for source, share in ((constant, 0.8), (rng, 0.5)):
        amount = share * min(forger.eye * (1.15 - 0.5 * forger.care) * target.steadiness**0.3, 2.5)
        targets = _misshape(targets, observed.unit, source, amount)
    plan = replace(observed, targets=targets, down=_misjoin(observed, constant))
    hand = replace(
        forger.hand,
        size=target.size * float(np.exp(constant.normal(0.0, 0.08) + rng.normal(0.0, 0.04))),
        pace=0.5 * (target.pace + forger.hand.pace) * (1.1 + 2.2 * forger.care),
        overlap=(0.5 * target.overlap + 0.5 * forger.hand.overlap) * (1.1 - 0.75 * forger.care),
        roundness=0.35 * target.roundness + 0.65 * forger.hand.roundness,
        pressure=forger.hand.pressure + 0.15 * forger.care,
        pressure_swing=forger.hand.pressure_swing * (1.0 - 0.6 * forger.care),
        flight=forger.hand.flight * (1.0 - 0.8 * forger.care),
    )
    trace = move_pen(plan, hand, rng)
    return replace(trace, points=trace.points + hand.size * _tremor(len(trace.points), forger.care, rng))


def _own_slant(own: Hand, target: Hand, share: float) -> Floats:
    """Return the 2 x 2 matrix by which the forger's own slant and width show through."""
    shear = float(np.clip(own.slant - target.slant, -0.8, 0.8))
    wide = float(np.clip(np.log(own.width / target.width), -0.6, 0.6))
    return np.array([[np.exp(0.6 * share * wide), share * shear], [0.0, 1.0]])


def _misshape(targets: Floats, unit: np.ndarray, rng: np.random.Generator, amount: float) -> Floats:
    """Add errors of proportion, of letters' size and place, and of single targets."""
    centre = targets.mean(axis=0)
    shear, turn = rng.normal(0.0, 0.09 * amount), rng.normal(0.0, 0.035 * amount)
    wide = np.exp(rng.normal(0.0, 0.1 * amount))
    matrix = np.array([[wide, shear - turn], [turn, 1.0 / wide]])
    targets = (targets - centre) @ matrix.T + centre
    units = int(unit.max()) + 1
    shift = rng.normal(0.0, 0.09 * amount, (units, 2))
    stretch = np.exp(rng.normal(0.0, 0.1 * amount, (units, 2)))
    middle = np.stack(
        [np.bincount(unit, targets[:, a]) / np.maximum(np.bincount(unit), 1) for a in (0, 1)], 1
    )
    targets = middle[unit] + (targets - middle[unit]) * stretch[unit] + shift[unit]
    wave = rng.normal(0.0, 0.12 * amount, 2)
    phase, period = rng.uniform(0, 2 * np.pi, 2), rng.uniform(3.0, 12.0, 2)
    targets = targets + wave * np.sin(2 * np.pi * targets[:, :1] / period + phase)
    return targets + rng.normal(0.0, 0.06 * amount, targets.shape)


def _misjoin(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Lift the pen where the writer did not, and join where the writer lifted it, now and then."""
    chance = rng.random(len(plan.down))
    between = np.append(False, np.diff(plan.unit) != 0)
    way = np.append(0.0, np.hypot(*np.diff(plan.targets, axis=0).T))
    lifted = plan.down & (way < 1.3) & (chance < np.where(between, 0.18, 0.03))
    joined = ~plan.down & between & (way < 1.0) & (chance < 0.12)
    down = (plan.down & ~lifted) | joined
    down[0] = False
    return np.asarray(down)


def _tremor(samples: int, care: float, rng: np.random.Generator, step: float = 0.005) -> Floats:
    """Return a shaking of 3 to 12 Hz, ``(samples, 2)``, in heights of the middle zone."""
    frequency = np.fft.rfftfreq(samples, step)
    band = np.exp(-0.5 * ((frequency - rng.uniform(4.0, 9.0)) / 2.5) ** 2)
    spectrum = rng.normal(size=(len(frequency), 2)) + 1j * rng.normal(size=(len(frequency), 2))
    shake = np.fft.irfft(spectrum * band[:, None], samples, axis=0)
    amplitude = 0.004 + 0.036 * care * rng.uniform(0.3, 1.0)
    return np.asarray(amplitude * shake / max(float(shake.std()), 1e-12))
