"""Opening a page in a real browser without a window, and what a script around it found there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM = os.environ.get("SIGZOO_TEST_CHROMIUM", CHROMIUM)
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=4000"

_FRAME = """<!doctype html><html><body>
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const told = (name, value) => document.body.setAttribute("data-" + name, value);
  told("overflow", inner.documentElement.scrollWidth - inner.documentElement.clientWidth);
  told("title", inner.title);
  told("pictures", [...inner.images].filter((i) => i.complete && i.naturalWidth > 0).length);
  {script}
}});
</script></body></html>"""


def opened(page: str, script: str, folder: Path, width: int) -> dict[str, str]:
    """What a script in a page around it finds in a page, shown so wide.

    The script has `inner`, the page's document, and `told(name, value)`; its width beyond the window, title
    and number of pictures are told in any case.
    """
    place = folder / "frame.html"
    text = _FRAME.format(width=width, page=escape(page, quote=True), script=script)
    place.write_text(text, encoding="utf-8")
    profile = folder / "profile"
    command = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", "--dump-dom", place.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (body,) = re.findall(r"<body ([^>]*)>", done.stdout)
    return {name: unescape(value) for name, value in re.findall(r'data-([\w-]+)="([^"]*)"', body)}
