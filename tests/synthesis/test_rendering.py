"""Rendering: the pen's width in millimetres, resolution, and what scanners do."""

import numpy as np
import pytest

from sigzoo.synthesis import varied
from sigzoo.synthesis.performance import Trace
from sigzoo.synthesis.rendering import Pen, Scan, render


@pytest.fixture
def line() -> Trace:
    """A straight line of 20 mm at even speed and pressure."""
    x = np.linspace(0, 20, 300)
    return Trace(np.stack([x, 0 * x], axis=1), np.ones(300, bool), np.full(300, 50.0), np.full(300, 0.5))


PLAIN = Pen(width=0.5, swell=0.0, thinning=0.0, fading=0.0, grain=0.0, darkness=1.0)


@pytest.mark.parametrize("dpi", [150, 300, 600])
def test_a_line_has_its_length_and_width_at_any_resolution(line, dpi):
    image = render(line, PLAIN, Scan(dpi=dpi, blur=0.0, noise=0.0), np.random.default_rng(0))
    ink = 252.0 - image
    pixel = 25.4 / dpi
    area = ink.sum() / 252.0 * pixel**2
    assert area == pytest.approx(20 * 0.5, rel=0.12)
    assert image.shape == (pytest.approx(6.0 / pixel, abs=1.5), pytest.approx(26.0 / pixel, abs=1.5))


def test_lifted_pens_leave_no_ink(line):
    half = Trace(line.points, line.points[:, 0] < 10, line.speed, line.pressure)
    image = render(half, PLAIN, Scan(noise=0.0, blur=0.0), np.random.default_rng(0))
    assert image.shape[1] * 25.4 / 300 == pytest.approx(16, abs=0.3)


def test_two_level_scans_have_two_levels(line):
    image = render(line, Pen(), Scan(two_level=True), np.random.default_rng(0))
    assert set(np.unique(image)) == {0, 255}


def test_pressure_widens_and_speed_thins_the_line(line):
    def area(pressure: float, pen: Pen) -> float:
        trace = Trace(line.points, line.down, line.speed, np.full(300, pressure))
        return float((255.0 - render(trace, pen, Scan(blur=0, noise=0), np.random.default_rng(0))).sum())

    assert area(0.9, Pen(fading=0.0)) > 1.2 * area(0.3, Pen(fading=0.0))


def test_photographed_paper_is_grey_and_uneven(line):
    image = render(line, Pen(), Scan(paper=180, shade=50, noise=0.0), np.random.default_rng(1))
    paper = image[:10].mean(axis=0)
    assert 110 < image[0].mean() < 185
    assert np.ptp(paper) > 5


def test_varied_conditions_differ_and_are_drawn_from_the_generator():
    first = [varied(np.random.default_rng(1)) for _ in range(2)]
    assert first[0] == first[1]
    assert len({varied(np.random.default_rng(i))[1].dpi for i in range(20)}) == 20
