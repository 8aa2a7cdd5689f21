"""The report's page: all text is escaped, nothing is fetched, charts say what was measured."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from statistics import NormalDist
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from sigzoo.evaluation.metrics import equal_error
from sigzoo.evaluation.report import Comparison, EmbeddingMap, Report, System, page
from sigzoo.evaluation.report.contents import Picture, Rate
from sigzoo.evaluation.report.curves import det_chart, ece_chart, roc_chart, tippett_chart
from sigzoo.evaluation.report.svg import nice_ticks
from sigzoo.pages.markup import Markup, join, tag

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\x1b[31m\udc80\u202e'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)
RNG = np.random.default_rng(3)


def system(model: str = "tiny", shift: float = 2.0, text: str = HOSTILE, **changes: object) -> System:
    """A system whose scores are those of two normal distributions."""
    genuine = RNG.normal(shift, 1, 400)
    impostors = {"random": RNG.normal(-1, 1, 900), "skilled": RNG.normal(0, 1, 500)}
    found = equal_error(genuine, impostors["skilled"])
    picture = Picture(text, PNG)
    given: dict[str, object] = {
        "model": model,
        "layer": "embedding",
        "protocol": "training-free: references=3",
        "genuine": genuine,
        "impostors": impostors,
        "eer": {"random": Rate(1.25, 0.5, 2.5), "skilled": Rate(100 * found.eer, 5.0, 21.0)},
        "eer_user": {"skilled": Rate(7.5, 6, 9)},
        "auc": {"skilled": Rate(0.9876)},
        "cllr": {"skilled": 0.321},
        "log10_lr": {"skilled": (RNG.normal(1, 1, 300), RNG.normal(-1, 1, 500))},
        "threshold": found.threshold,
        "of_writers": {text: 12.5, "w2": 0.0},
        "hardest": [
            Comparison(-0.25, "genuine", text, picture, [picture]),
            Comparison(3.5, "skilled", "w2", Picture("gone.png", b"")),
        ],
        "embedding": EmbeddingMap(
            "PCA", RNG.normal(size=(4, 2)), [text, "b", "b", "b"], [False, True] * 2, [text] * 4
        ),
        "facts": {"weights sha256": text},
    }
    return System(**{**given, **changes})


def report(*systems: System) -> Report:
    return Report(f"On {HOSTILE}", {"data": HOSTILE, "by": "sigzoo"}, systems or (system(),), [HOSTILE])


class Elements(HTMLParser):
    """All elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((name, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_every_text_is_escaped_wherever_it_stands() -> None:
    elements = Elements(page(report()))
    assert sum(name == "script" for name, _ in elements.found) == 1
    assert not [a for _, a in elements.found if any(key.startswith("on") for key in a)]
    sources = [a["src"] for name, a in elements.found if name == "img"]
    assert sources
    assert all(each.startswith("data:image/png;base64,") for each in sources)
    text = "".join(elements.text)
    assert text.count('<script>document.title="owned"</script>') >= 8
    assert not {"\x1b", "\u202e"} & set(text)
    page(report()).encode("utf-8")


def test_the_page_names_nothing_outside_of_itself() -> None:
    text = page(report(system(text="plain")))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text.replace("http-equiv", ""))
    elements = Elements(text)
    assert not [name for name, _ in elements.found if name in {"link", "iframe", "object", "embed", "base"}]
    (policy,) = [
        a["content"] for name, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_table_has_the_figures_and_their_intervals() -> None:
    text = page(report(system(), system("base", problem="too few signatures", eer={}, genuine=np.zeros(0))))
    for said in ("1.25", "0.5 to 2.5", "7.50", "0.9876", "0.321", "too few signatures"):
        assert f">{said}<" in text, said
    assert "1 of 2 writers are told apart without an error" in text


def curves(chart: Markup, number: int) -> list[NDArray[np.float64]]:
    """Pixels of a system's curves."""
    lines = [e for e in ElementTree.fromstring(chart).iter("polyline") if e.get("data-system") == str(number)]
    return [
        np.array([[float(x) for x in pair.split(",")] for pair in line.get("points", "").split()])
        for line in lines
    ]


def points(chart: Markup, number: int) -> NDArray[np.float64]:
    """Pixels of a system's only curve."""
    (line,) = curves(chart, number)
    return line


def test_scores_of_two_normal_distributions_are_a_straight_line_of_slope_minus_one_on_det_axes() -> None:
    # Martin et al. (1997): FRR = Phi(t - 2), FAR = Phi(-t); their deviates add up to -2.
    deviates = [NormalDist().inv_cdf((n + 0.5) / 20_000) for n in range(20_000)]
    made = system(genuine=np.array(deviates) + 2, impostors={"skilled": np.array(deviates)})
    curve = points(det_chart([(0, made)], "skilled"), 0)
    unit = (440 - 52 - 12) / (NormalDist().inv_cdf(0.7) - NormalDist().inv_cdf(0.0008))
    tall = (400 - 46 - 12) / (NormalDist().inv_cdf(0.7) - NormalDist().inv_cdf(0.0008))
    x = (curve[:, 0] - 52) / unit + NormalDist().inv_cdf(0.0008)
    y = (400 - 46 - curve[:, 1]) / tall + NormalDist().inv_cdf(0.0008)
    assert len(curve) > 100
    assert np.abs(x + y + 2).max() < 0.02


def test_the_roc_curve_ends_in_its_corners_and_has_the_area() -> None:
    made = system()
    curve = points(roc_chart([(3, made)], "skilled"), 3)
    x, y = (curve[:, 0] - 52) / 376, (354 - curve[:, 1]) / 342
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((0, 1, 0, 1))
    above = (made.genuine[:, None] > made.impostors["skilled"]).mean()
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    assert abs(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum() - above) < 0.01


def test_a_tippett_plot_counts_the_likelihood_ratios_at_or_above_each_value() -> None:
    made = system()
    chart = tippett_chart([(1, made)], "skilled")
    both = np.concatenate(made.log10_lr["skilled"])
    low, high = np.quantile(both, (0.002, 0.998))
    for line, ratios in zip(curves(chart, 1), made.log10_lr["skilled"], strict=True):
        at = low + (line[:, 0] - 52) / 376 * (high - low)
        share = (354 - line[:, 1]) / 342
        inside = (line[:, 0] > 53) & (line[:, 0] < 427)  # beyond, values are put on the end
        counted = [sum(ratio >= each for ratio in ratios) / len(ratios) for each in at]
        assert inside.sum() > 200
        # A pixel is 0.02 wide there, in which a few ratios may lie.
        assert np.abs(share - counted)[inside].max() < 0.02


def test_an_ece_plot_gives_cross_entropies_and_what_the_best_calibration_leaves() -> None:
    genuine, impostor = np.array([-1.0, 0.5, 1.0, 2.0]), np.array([-2.0, -1.5, -0.5, 0.0, 0.75])
    chart = ece_chart([(0, system(log10_lr={"skilled": (genuine, impostor)}))], "skilled")
    shown, best = (1.2 * (354 - line[:, 1]) / 342 for line in curves(chart, 0))
    odds = np.linspace(-2.5, 2.5, len(shown))
    for place in range(0, len(odds), 10):
        prior = 10 ** odds[place] / (1 + 10 ** odds[place])
        cost = prior * np.mean([np.log2(1 + 1 / (10**lr * 10 ** odds[place])) for lr in genuine])
        cost += (1 - prior) * np.mean([np.log2(1 + 10**lr * 10 ** odds[place]) for lr in impostor])
        assert min(cost, 1.2) == pytest.approx(shown[place], abs=0.002)
    assert (best <= shown + 0.002).all()
    assert best.max() < 1.0


def test_markup_escapes_all_but_itself() -> None:
    assert tag("b", "<", Markup("<i>"), 3, None, class_="a&b", hidden=True, open=False) == (
        '<b class="a&amp;b" hidden="">&lt;<i>3</b>'
    )
    assert join(["<", tag("br")]) == "&lt;<br>"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.3, 0.45), (0, 1e-7), (12, 98_000)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = [value for value, _ in nice_ticks(low, high)]
    assert 2 <= len(ticks) <= 11
    assert all(low - 1e-12 <= each <= high + 1e-12 for each in ticks)
    assert nice_ticks(1, 1) == [(1, "1")]


def test_systems_of_one_score_or_none_are_shown() -> None:
    same = system(
        genuine=np.ones(3), impostors={"skilled": np.ones(4)}, eer={"skilled": Rate(50)}, threshold=1.0
    )
    none = system(
        genuine=np.zeros(0), impostors={}, eer={"skilled": Rate(float("nan"))}, hardest=(), embedding=None
    )
    assert "<svg" in page(report(same, none))
