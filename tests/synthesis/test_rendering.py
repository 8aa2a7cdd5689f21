"""Rendering: the pen's width in millimetres, resolution, and what scanners do."""

import numpy as np
import pytest
from PIL import ImageDraw, ImageFilter

from sigzoo.synthesis import Writer, conditions, varied
from sigzoo.synthesis import rendering as program
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

    def written(speed: float) -> float:
        trace = Trace(line.points, line.down, np.full(300, speed), line.pressure)
        return float((255.0 - render(trace, Pen(), Scan(blur=0, noise=0), np.random.default_rng(0))).sum())

    # What counts is millimetres a second: a slow line is broad and dark however even its pace.
    assert written(15.0) > 1.15 * written(90.0)


def test_a_pen_that_hardly_touches_leaves_a_thin_pale_line(line):
    landing = Trace(line.points, line.down, line.speed, np.minimum(line.points[:, 0] / 20, 0.5))
    image = render(landing, Pen(taper=1.0, grain=0.0), Scan(blur=0, noise=0), np.random.default_rng(0))
    ink = (252.0 - image).sum(axis=0)[40:-40]
    first, middle, last = ink[:20].mean(), ink[len(ink) // 2 :][:20].mean(), ink[-20:].mean()
    assert first < 0.4 * middle
    assert middle == pytest.approx(last, rel=0.1)


def test_photographed_paper_is_grey_and_uneven(line):
    image = render(line, Pen(), Scan(paper=180, shade=50, noise=0.0), np.random.default_rng(1))
    paper = image[:10].mean(axis=0)
    assert 110 < image[0].mean() < 185
    assert np.ptp(paper) > 5


def test_varied_conditions_differ_and_are_drawn_from_the_generator():
    first = [varied(np.random.default_rng(1)) for _ in range(2)]
    assert first[0] == first[1]
    assert len({varied(np.random.default_rng(i))[1].dpi for i in range(20)}) == 20


def plainly_rendered(trace: Trace, pen: Pen, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """The same picture with every step done on the whole of it, noise rolled and tiled."""

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        tile = np.roll(program._NOISE, tuple(int(v) for v in rng.integers(0, 512, 2)), axis=(0, 1))
        return np.tile(tile, [-(-side // 512) for side in shape])[: shape[0], : shape[1]]

    ink = program._draw(trace, pen, scan)
    ink = ink.filter(ImageFilter.GaussianBlur(scan.blur)) if scan.blur else ink
    depth = np.asarray(ink, dtype=np.float32) * (1.0 / 255.0)
    depth = depth * (1.0 - pen.grain * np.abs(noise(depth.shape))) if pen.grain else depth
    light = program._light(depth.shape, scan.shade, rng) if scan.shade else 0.0
    grey = (scan.paper - light) * (1.0 - pen.darkness * np.clip(depth, 0.0, 1.0))
    grey = grey + scan.noise * noise(depth.shape) if scan.noise else grey
    return np.clip(grey + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("pen", "scan"),
    [
        (Pen(), Scan(dpi=600.0, margin=0.2)),
        (Pen(width=1.2), Scan(dpi=150.0, margin=12.0, blur=3.0)),
        (Pen(grain=0.0), Scan(shade=40.0, paper=190.0, blur=0.0)),
        (Pen(grain=0.3), Scan(dpi=75.0, margin=0.0, noise=0.0)),
    ],
)
def test_what_is_saved_by_working_around_the_ink_only_changes_no_pixel(pen, scan):
    for seed in range(3):
        trace = Writer((3, seed)).trace(1)
        expected = plainly_rendered(trace, pen, scan, np.random.default_rng(seed))
        np.testing.assert_array_equal(render(trace, pen, scan, np.random.default_rng(seed)), expected)


PILLOWS_PENCIL = ImageDraw.Draw


class PublicPencil:
    """Pillow's pencil by its documented methods."""

    def __init__(self, image):
        self.pencil, self.draw = PILLOWS_PENCIL(image), self

    def draw_ink(self, level):
        return level

    def draw_lines(self, way, ink, width):
        self.pencil.line(way, fill=ink, width=width)

    def draw_ellipse(self, spot, ink, filled):
        assert filled
        self.pencil.ellipse(spot, fill=ink)


@pytest.mark.parametrize("dpi", [90.0, 300.0, 600.0])
def test_the_core_of_the_pencil_draws_what_its_documented_methods_draw(monkeypatch, dpi):
    drawn = Writer(5, rendering=conditions("varied", dpi=dpi)).genuine(1)
    monkeypatch.setattr(program.ImageDraw, "Draw", PublicPencil)
    np.testing.assert_array_equal(Writer(5, rendering=conditions("varied", dpi=dpi)).genuine(1), drawn)
