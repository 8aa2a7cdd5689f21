"""The page in a real browser: it runs, fits a narrow window, and does nothing that names in it ask for."""

from __future__ import annotations

import pytest

from sigzoo.evaluation.report import page
from tests.browser import CHROMIUM, opened
from tests.evaluation.report.test_page import report, system

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

SCRIPT = """
  const shown = (selector) => [...inner.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
  told("curves", shown(".curve").length);
  inner.querySelector("input[data-toggles]").click();
  told("curves-after", shown(".curve").length);
  const first = () => [...inner.querySelectorAll(".sortable tbody tr td:first-child")];
  const cells = () => first().map((e) => e.textContent);
  told("order", cells().join());
  inner.querySelectorAll("th")[2].click();
  told("sorted", cells().join());
  told("theme-hidden", inner.getElementById("theme").hidden);
  const back = () => getComputedStyle(inner.body).backgroundColor;
  told("light", back());
  inner.getElementById("theme").click();
  told("dark", back());
  const scale = (svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  told("smallest", Math.min(...shown("svg text").map((e) => 12 * scale(e.ownerSVGElement))));
"""


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_works_and_fits(tmp_path, width):
    told = opened(page(report(system("worse", 1.0), system("better", 3.0))), SCRIPT, tmp_path, width)
    assert float(told["overflow"]) <= 0
    assert told["title"].startswith("On ")  # the script in a name did not run
    assert int(told["pictures"]) == 4  # questioned and reference, of two systems, but for what has gone
    assert int(told["curves"]) == 16  # of two systems: DET and ROC twice, and four of likelihood ratios
    assert int(told["curves-after"]) == 10
    assert told["order"] == "worse,better"
    assert told["sorted"] == "better,worse"
    assert told["theme-hidden"] == "false"
    assert told["light"] != told["dark"]
    assert float(told["smallest"]) > 9  # pixels of a tick's letters
