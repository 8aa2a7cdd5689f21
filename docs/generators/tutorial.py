"""The tutorial as a notebook, and its page with what the notebook printed and drew."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from generators.blocks import Block, blocks, environment
from generators.pages import ROOT, Pages
from sigzoo.cli.layout import wrapped

__all__ = ["add_to", "executed", "notebook", "written"]

_WIDE = 90
"""Letters of a line that is broken on the page; a table is not."""

PAGE = "tutorial.md"
NOTEBOOK = "tutorial.ipynb"
_FIELD = re.compile(r"  \S.{14} \S")
_LINK = re.compile(r"\]\((?!https?:)([\w./-]+)\.md(#[\w-]+)?\)")


def add_to(pages: Pages) -> None:
    """Execute the notebook, add it with its outputs, and say how the page is filled with them."""
    markdown = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        done = executed(notebook(markdown), Path(folder))
    text, pictures = _page(markdown, done)
    pages.files |= pictures
    pages.files[NOTEBOOK] = nbformat.writes(done).encode()
    pages.fillings[PAGE] = lambda _: text


def notebook(markdown: str) -> nbformat.NotebookNode:
    """The page as a notebook without outputs: prose, Python, and commands below ``%%bash``."""
    cells = []
    for block in blocks(markdown):
        prose = _LINK.sub(r"](\1.html\2)", block.before.strip().replace(_DOWNLOAD, ""))
        if prose:
            cells.append(nbformat.v4.new_markdown_cell(prose))
        if block.language:
            cells.append(nbformat.v4.new_code_cell(_source(block)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.validate(made)
    return made


_DOWNLOAD = " The same as a notebook:\n[tutorial.ipynb](tutorial.ipynb)."


def _source(block: Block) -> str:
    return ("%%bash\n" if block.language == "bash" else "") + block.code.rstrip("\n")


def executed(made: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in a folder."""
    from nbclient import NotebookClient

    client = NotebookClient(made, timeout=600, kernel_name="python3", coalesce_streams=True)
    done: nbformat.NotebookNode = client.execute(cwd=str(folder), env=environment())
    for cell in done.cells:
        cell.metadata.pop("execution", None)  # when it ran says nothing
    return done


def written() -> str:
    """The text of the notebook that lies beside the page, without outputs; ``docs/tables.py`` writes it."""
    text: str = nbformat.writes(notebook((ROOT / "docs" / PAGE).read_text(encoding="utf-8")))
    return text + "\n"


def _page(markdown: str, done: nbformat.NotebookNode) -> tuple[str, dict[str, Any]]:
    """The page with each block's outputs below it, and the pictures by their place in the site."""
    outputs = [cell.outputs for cell in done.cells if cell.cell_type == "code"]
    parts: list[str] = []
    pictures: dict[str, Any] = {}
    for block in blocks(markdown):
        parts += [block.before, block.text]
        if block.language:
            for output in outputs.pop(0):
                parts.append("\n" + _shown(output, pictures))
    return "".join(parts), pictures


def _shown(output: nbformat.NotebookNode, pictures: dict[str, Any]) -> str:
    if output.output_type == "stream":
        if output.name == "stderr":
            return ""
        wide = max(map(len, output.text.splitlines()), default=0) > _WIDE
        kind = "output wrapped" if wide else "output"
        text = "\n".join(part for line in output.text.rstrip().splitlines() for part in _hanging(line))
        return f'<div class="{kind}" markdown>\n\n```text\n{text}\n```\n\n</div>\n'
    place = f"tutorial/figure-{len(pictures) + 1}.png"
    pictures[place] = base64.b64decode(output.data["image/png"])
    return f"![Figure {len(pictures)}]({place})\n"


def _hanging(line: str) -> list[str]:
    """A line; a label with a long text beside it as several, as a terminal would show it."""
    if len(line) <= _WIDE or _FIELD.match(line) is None:
        return [line]
    return wrapped(line, _WIDE - 6, rest=" " * 18)
