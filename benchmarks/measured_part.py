"""What a benchmark found, written: as JSON, and into the part of a page that is marked as the script's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["END", "begin", "replaced", "write"]

END = "<!-- end of measured -->\n"


def begin(script: str) -> str:
    """The line that a script's part of a page begins with."""
    return f"<!-- measured: made by benchmarks/{script} -->\n"


def replaced(page: str, script: str, content: str) -> str:
    """A page with a script's part replaced; one without such a part, or with two, is a `ValueError`."""
    before, rest = page.split(begin(script))
    return before + begin(script) + content + END + rest.split(END, 1)[1]


def write(script: str, found: dict[str, Any], text: str, *, as_json: Path | None, page: Path | None) -> None:
    """Write what was found where the options of a script ask for it."""
    if as_json:
        as_json.write_text(json.dumps(found, indent=2) + "\n")
    if page:
        page.write_text(replaced(page.read_text(), script, f"{text}\n"))
