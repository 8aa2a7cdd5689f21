"""The page in a real browser: it runs, fits a narrow window, and does nothing that names in it ask for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from sigzoo.evaluation.report import page
from tests.evaluation.report.test_page import report, system

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM = os.environ.get("SIGZOO_TEST_CHROMIUM", CHROMIUM)
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=4000"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

FRAME = """<!doctype html><html><body>
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const told = (name, value) => document.body.setAttribute("data-" + name, value);
  const shown = (selector) => [...inner.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
  told("overflow", inner.documentElement.scrollWidth - inner.documentElement.clientWidth);
  told("title", inner.title);
  told("pictures", [...inner.images].filter((i) => i.complete && i.naturalWidth > 0).length);
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
}});
</script></body></html>"""


def opened(tmp_path: Path, width: int) -> dict[str, str]:
    """What a script in a page around it finds in the report, shown so wide."""
    text = page(report(system("worse", 1.0), system("better", 3.0)))
    place = tmp_path / "frame.html"
    place.write_text(FRAME.format(width=width, page=escape(text, quote=True)), encoding="utf-8")
    profile = tmp_path / "profile"
    command = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", "--dump-dom", place.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (body,) = re.findall(r"<body ([^>]*)>", done.stdout)
    return dict(re.findall(r'data-([\w-]+)="([^"]*)"', body))


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_works_and_fits(tmp_path, width):
    told = opened(tmp_path, width)
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
