"""The drawing of the architecture: the rooms of the core and which imports which, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

from generators.pages import ROOT, Pages, escaped, one_line

__all__ = ["add_to", "needed", "rooms"]

PAGE = "explanation/architecture.md"
CORE = ROOT / "sigzoo"
DRAWING, TABLE = "<!-- generated: drawing -->", "<!-- generated: rooms -->"

_TOP = {"__init__", "__main__"}
"""What only names what is public."""

Graph = Mapping[str, set[str]]

_WIDTH, _BOX, _HEIGHT, _GAP, _ROW = 960, 104, 28, 16, 76


def add_to(pages: Pages) -> None:
    """Say how the page is filled."""
    graph, summaries = rooms()
    drawing = "".join(_svg(graph, summaries))
    table = "\n".join(_table(graph, summaries))
    pages.fillings[PAGE] = lambda text: text.replace(DRAWING, drawing).replace(TABLE, table)


def rooms(core: Path = CORE) -> tuple[dict[str, set[str]], dict[str, str]]:
    """The rooms of a package: what each imports of the others, and what its first line says.

    Parameters
    ----------
    core
        The package's folder; a room is a module or a package in it.
    """
    places = {
        path.stem: path for path in core.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    places = {name: path for name, path in places.items() if name not in _TOP}
    graph: dict[str, set[str]] = {}
    summaries: dict[str, str] = {}
    for name, path in places.items():
        modules = [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))
        trees = {each: ast.parse(each.read_text(encoding="utf-8")) for each in modules}
        imported = {found for tree in trees.values() for found in _imports(tree, core.name)}
        graph[name] = imported & set(places) - {name}
        first = trees[path if path.suffix == ".py" else path / "__init__.py"]
        summaries[name] = (ast.get_docstring(first) or "").partition("\n")[0]
    return graph, summaries


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """First names below a package that a module imports."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{each.name}" for each in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith(f"{package}."))


def needed(graph: Graph) -> dict[str, set[str]]:
    """The graph without the edges that follow from others (its transitive reduction)."""
    below: dict[str, set[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        below[name] = set(graph[name]).union(*(below[each] for each in graph[name]))
    return {
        name: {each for each in aims if not any(each in below[other] for other in aims - {each})}
        for name, aims in graph.items()
    }


def _levels(graph: Graph) -> list[list[str]]:
    """The rooms row by row: what imports nothing last, each above all that it imports, few lines crossing."""
    depth: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        depth[name] = 1 + max((depth[each] for each in graph[name]), default=-1)
    users = {name: {each for each in graph if name in graph[each]} for name in graph}
    rows = [
        sorted(name for name in graph if depth[name] == level) for level in range(max(depth.values()) + 1)
    ]
    for _ in range(8):
        for neighbours in (graph, users):
            place = {name: (index + 0.5) / len(row) for row in rows for index, name in enumerate(row)}
            for row in rows:
                row.sort(key=lambda name: _mean([place[each] for each in neighbours[name]], place[name]))
    return rows[::-1]


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _svg(graph: Graph, summaries: Mapping[str, str]) -> Iterator[str]:
    """The drawing, on one line of HTML: no line of it may be empty."""
    reduced = needed(graph)
    rows = _levels(reduced)
    places: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        step = _WIDTH / len(row)
        for index, name in enumerate(row):
            places[name] = (step * (index + 0.5), _HEIGHT + number * _ROW)
    height = _HEIGHT + len(rows) * _ROW
    size = f'viewBox="0 0 {_WIDTH} {height}"'
    yield f'<svg class="architecture" {size} role="img" aria-label="Rooms and imports">'
    for name, aims in reduced.items():
        for aim in sorted(aims):
            yield _line(places[name], places[aim])
    for name, (x, y) in places.items():
        left, top = x - _BOX / 2, y - _HEIGHT / 2
        yield f"<g><title>{escape(name)}: {escape(summaries[name])}</title>"
        yield f'<rect x="{left:.0f}" y="{top:.0f}" width="{_BOX}" height="{_HEIGHT}" rx="4"/>'
        yield f'<text x="{x:.0f}" y="{y + 4:.0f}">{escape(name)}</text></g>'
    yield "</svg>"


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = (start[0], start[1] + _HEIGHT / 2), (end[0], end[1] - _HEIGHT / 2)
    bend = _ROW / 2
    curve = f"M{x0:.0f} {y0:.0f} C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
    return f'<path d="{curve}"/>'


def _table(graph: Graph, summaries: Mapping[str, str]) -> Iterator[str]:
    yield "| room | holds | imports |"
    yield "|---|---|---|"
    for name in reversed(
        list(TopologicalSorter({key: sorted(graph[key]) for key in sorted(graph)}).static_order())
    ):
        aims = ", ".join(sorted(graph[name])) or "nothing of sigzoo"
        yield f"| `{name}` | {one_line(escaped(summaries[name]))} | {aims} |"
