"""The gallery: the page's commands are run, and what they draw is put below each."""

from __future__ import annotations

import tempfile
from pathlib import Path

from generators.blocks import blocks, run_line
from generators.pages import ROOT, Pages

__all__ = ["add_to"]

PAGE = "gallery.md"


def add_to(pages: Pages) -> None:
    """Run the commands of the page, add its figures, and say how the page is filled with them."""
    with tempfile.TemporaryDirectory() as folder:
        text, figures = drawn((ROOT / "docs" / PAGE).read_text(encoding="utf-8"), Path(folder))
    pages.files |= figures
    pages.fillings[PAGE] = lambda _: text


def drawn(markdown: str, folder: Path) -> tuple[str, dict[str, bytes]]:
    """The page with its figures, and these by their place in the site.

    Parameters
    ----------
    markdown
        With blocks of `bash`.
    folder
        Where they are run.
    """
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for block in blocks(markdown):
        parts += [block.before, block.text]
        before = _figures(folder)
        for line in block.code.splitlines() if block.language == "bash" else []:
            run_line(line, folder)
        for path in sorted(_figures(folder) - before, key=lambda each: each.stat().st_mtime_ns):
            place = f"gallery/{path.relative_to(folder).as_posix().replace('/', '-')}"
            figures[place] = path.read_bytes()
            parts.append(f"\n{_shown(place, path)}\n")
    return "".join(parts), figures


def _figures(folder: Path) -> set[Path]:
    """Pictures and pages that are no signatures of a data set."""
    found = [*folder.glob("*.png"), *folder.glob("*.html"), *folder.glob("runs/**/*.png")]
    return set(found)


def _shown(place: str, path: Path) -> str:
    if path.suffix == ".html":
        return f"[The page that it writes]({place})"
    return f"![{path.stem.replace('-', ' ')}]({place}){{ loading=lazy }}"
