"""Performances: what varies between repetitions, and how pens land and leave."""

from dataclasses import replace

import numpy as np
import pytest

from sigzoo.synthesis import Writer
from sigzoo.synthesis.performance import move_pen, vary
from sigzoo.synthesis.plan import Plan


@pytest.fixture
def plan() -> Plan:
    """A letter of short strokes, and a flourish of one long stroke."""
    targets = np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0], [1.5, 1.0], [2.0, 0.0], [8.0, 0.5]])
    return Plan(targets, np.array([False, True, True, True, True, True]), np.array([0, 0, 0, 0, 0, 1]))


def test_long_last_strokes_vary_in_proportion_to_their_length(plan):
    def spread(looseness: float) -> np.ndarray:
        hand = replace(Writer(1).hand, steadiness=0.01, looseness=100 * looseness)
        repetitions = [vary(plan, hand, np.random.default_rng(n)).targets for n in range(400)]
        return np.std(repetitions, axis=0)[:, 0]

    loose = spread(0.1)
    assert loose[5] == pytest.approx(2 * 0.1 * 6.0, rel=0.25)  # twice the share: it is the last
    assert loose[1] == pytest.approx(0.1 * np.hypot(0.5, 0.5 * 1.0), rel=0.3)  # along x, and across y
    assert spread(0.0).max() < 0.02


def test_a_hand_in_flight_has_little_pressure_where_the_pen_lands_and_leaves(plan):
    def ends(flight: float) -> np.ndarray:
        hand = replace(Writer(1).hand, flight=flight, pressure=0.6, pressure_swing=0.0)
        trace = move_pen(plan, hand, np.random.default_rng(0))
        written = trace.pressure[trace.down]
        return np.array([written[0], written[-1]]) / np.median(written)

    assert (ends(0.1) < 0.35).all()
    assert (ends(0.0) > 0.45).all()


def test_short_strokes_are_pressed_however_long_the_flight(plan):
    hand = replace(Writer(1).hand, flight=5.0, pressure=0.6, pressure_swing=0.0)
    trace = move_pen(plan, hand, np.random.default_rng(0))
    assert np.mean(trace.pressure[trace.down] > 0.4) > 0.35
