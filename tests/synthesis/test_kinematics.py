"""Movements: lognormal speed, arcs, sums; against scipy."""

import numpy as np
import pytest
from scipy import integrate, stats

from sigzoo.synthesis.kinematics import Strokes, movement, normal_cdf, strokes_through


def strokes(rng: np.random.Generator, count: int) -> Strokes:
    start = rng.uniform(-3, 3, count)
    return Strokes(
        onset=np.sort(rng.uniform(0, 1, count)),
        mu=rng.uniform(-2.5, -1.5, count),
        sigma=rng.uniform(0.1, 0.4, count),
        length=rng.uniform(0.5, 3, count),
        angle_start=start,
        angle_end=start + rng.uniform(-2, 2, count),
    )


def test_the_table_of_the_normal_distribution_is_accurate():
    z = np.random.default_rng(0).uniform(-6, 6, 5000)
    np.testing.assert_allclose(normal_cdf(z), stats.norm.cdf(z), atol=1e-7)


def test_speed_is_the_lognormal_density_times_the_length():
    s = strokes(np.random.default_rng(1), 5)
    times = np.linspace(-0.5, 3, 400)
    for j in range(5):
        law = stats.lognorm(s=s.sigma[j], scale=np.exp(s.mu[j]), loc=s.onset[j])
        np.testing.assert_allclose(s.speed(times)[:, j], s.length[j] * law.pdf(times), atol=1e-9)


def test_speed_integrates_to_the_length_of_the_stroke():
    s = strokes(np.random.default_rng(2), 4)
    for j in range(4):
        way, _ = integrate.quad(
            lambda t, j=j: s.speed(np.array([t]))[0, j], s.onset[j], s.onset[j] + 3, limit=200
        )
        assert way == pytest.approx(s.length[j], rel=1e-5)


def test_a_movement_is_the_integral_of_the_summed_velocity_vectors():
    s = strokes(np.random.default_rng(3), 6)
    times, points = movement(s, (1.0, -2.0), step=0.01)

    def velocity(t, axis):
        total = np.zeros_like(t)
        for j in range(6):
            law = stats.lognorm(s=s.sigma[j], scale=np.exp(s.mu[j]), loc=s.onset[j])
            angle = s.angle_start[j] + (s.angle_end[j] - s.angle_start[j]) * law.cdf(t)
            total += s.length[j] * law.pdf(t) * (np.cos(angle), np.sin(angle))[axis]
        return total

    for k in (len(times) // 3, len(times) // 2, len(times) - 1):
        moments = np.linspace(times[0], times[k], 20_001)
        for axis, origin in enumerate((1.0, -2.0)):
            way = integrate.simpson(velocity(moments, axis), x=moments)
            # Half of the moments give the same: the reference is good to a hundredth of the tolerance.
            coarse = integrate.simpson(velocity(moments[::2], axis), x=moments[::2])
            assert coarse == pytest.approx(way, abs=2e-5)
            assert points[k, axis] == pytest.approx(origin + way, abs=2e-3)


def test_the_way_does_not_depend_on_the_time_step():
    s = strokes(np.random.default_rng(4), 8)
    ends = [movement(s, (0.0, 0.0), step=step)[1][-1] for step in (0.001, 0.02)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)


def test_strokes_through_targets_end_at_the_last_target():
    rng = np.random.default_rng(5)
    targets = rng.normal(size=(9, 2))
    s = strokes_through(
        targets, seconds=np.full(8, 0.12), overlap=np.full(8, 0.4), sigma=np.full(8, 0.2), roundness=0.8
    )
    _, points = movement(s, tuple(targets[0]))
    np.testing.assert_allclose(points[-1], targets[-1], atol=1e-9)


def test_without_overlap_the_pen_passes_every_target():
    rng = np.random.default_rng(6)
    targets = rng.normal(size=(7, 2))
    s = strokes_through(targets, seconds=np.full(6, 0.1), overlap=np.zeros(6), sigma=np.full(6, 0.2))
    _, points = movement(s, tuple(targets[0]), step=0.001)
    nearest = np.hypot(*(targets[:, None] - points[None]).transpose(2, 0, 1)).min(axis=1)
    assert nearest.max() < 0.03


def test_overlap_cuts_corners():
    targets = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    tops = []
    for overlap in (0.0, 0.5):
        s = strokes_through(
            targets,
            seconds=np.full(2, 0.1),
            overlap=np.full(2, overlap),
            sigma=np.full(2, 0.2),
            roundness=0.0,
        )
        tops.append(movement(s, (0.0, 0.0))[1][:, 1].max())
    assert tops[1] < tops[0] - 0.02
