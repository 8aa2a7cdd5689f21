"""The gallery: its page says what was computed, escapes every name, and reorders in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sigzoo
from sigzoo.cli import run
from sigzoo.gallery import Exhibit, Gallery, gallery_page
from sigzoo.gallery.contents import small_png
from tests.browser import CHROMIUM, opened

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'
Draw = Callable[[int], NDArray[np.uint8]]

PRESS = """
const names = () => [...inner.querySelectorAll(".name")].map((e) => e.textContent).join("|");
const buttons = () => [...inner.querySelectorAll("#exhibits li > button")];
const key = (name) => inner.activeElement.dispatchEvent(
  new inner.defaultView.KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
told("before", names());
buttons()[2].click();
told("after", names());
told("pressed", buttons().map((b) => b.getAttribute("aria-pressed")).join());
told("distances", [...inner.querySelectorAll(".distance")].map((e) => e.textContent).join("|"));
told("status", inner.getElementById("told").textContent);
told("focus", buttons().indexOf(inner.activeElement));
key("ArrowRight"); key("ArrowDown");
told("focus-right", buttons().indexOf(inner.activeElement));
key("End");
told("focus-end", buttons().indexOf(inner.activeElement));
inner.activeElement.click();
told("from-last", names());
inner.querySelector("summary").click();
told("open", inner.querySelector("details").open);
const back = () => getComputedStyle(inner.body).backgroundColor;
told("light", back());
inner.getElementById("theme").click();
told("dark", back());
"""


@pytest.fixture(scope="module")
def four() -> Gallery:
    """Four signatures on a line: their distances are known."""
    at = np.array([0.0, 1.0, 4.0, 10.0], np.float32)
    png = small_png(np.full((60, 200), 200, np.uint8), (360, 160))
    names = ["a", HOSTILE, "c", "d"]
    exhibits = [Exhibit(name, png, {"centred": png, "resized": png}) for name in names]
    return Gallery(f"On {HOSTILE}", {"model": HOSTILE}, exhibits, np.abs(at[:, None] - at[None]))


class Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((name, dict(attributes)))


def test_names_are_escaped_and_nothing_is_fetched(four: Gallery) -> None:
    found = Elements(gallery_page(four)).found
    assert [name for name, _ in found].count("script") == 1
    assert not [a for _, a in found if any(key.startswith("on") for key in a)]
    sources = [a["src"] for name, a in found if name == "img"]
    assert len(sources) == 12
    assert all(each.startswith("data:image/png;base64,") for each in sources)
    assert not {"link", "iframe", "object", "embed", "base"} & {name for name, _ in found}
    (policy,) = [a["content"] for _, a in found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_each_names_its_nearest_neighbour(four: Gallery) -> None:
    told = re.findall(r'class="distance">([^<]*)<', gallery_page(four))
    assert told[0].endswith(", 1.00")
    assert told[1] == "nearest: a, 1.00"
    assert told[3] == "nearest: c, 6.00"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [360, 1200])
def test_it_reorders_in_a_browser(four: Gallery, tmp_path: Path, width: int) -> None:
    told = opened(gallery_page(four), PRESS, tmp_path, width)
    assert float(told["overflow"]) <= 0
    assert told["title"].startswith("On ")  # the script in a name did not run
    assert told["before"] == "|".join(["a", HOSTILE, "c", "d"])
    assert told["after"] == "|".join(["c", HOSTILE, "a", "d"])  # at 0, 3, 4 and 6 of it
    assert told["pressed"] == "true,false,false,false"
    assert told["distances"] == "distances are from here|3.00|4.00|6.00"
    assert told["status"] == "Ordered by distance from c."
    assert (told["focus"], told["focus-right"], told["focus-end"]) == ("0", "2", "3")
    assert told["from-last"] == "|".join(["d", "c", HOSTILE, "a"])
    assert told["open"] == "true"
    assert told["light"] != told["dark"]


def test_the_command_shows_what_the_model_computes(
    tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        Image.fromarray(draw(number)).save(f"<b>&s{number}.png")
    files = sorted(map(str, Path().glob("*.png")))
    assert run(["gallery", *files, "-o", "page.html"]) == 0
    text = Path("page.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    rows = [list(map(float, row.split())) for row in re.findall(r'data-distances="([^"]+)"', text)]
    features = sigzoo.load().embed(files)
    expected = [[float(np.linalg.norm(a - b)) for b in features] for a in features]
    np.testing.assert_allclose(rows, expected, atol=2e-3)
    steps = list(sigzoo.load().stages(files[0]))
    assert re.findall(r"<figcaption>([^<]+)<", text) == steps * 3
    assert run(["gallery", *files, "-o", "page.html"]) == 2
    assert run(["gallery", *files, "-o", "page.pdf"]) == 2
    assert "does not end in .html" in capsys.readouterr().err
