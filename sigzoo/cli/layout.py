"""Tables, fields and paragraphs as lines for a terminal of some width: no word is ever broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

__all__ = ["cut", "field_lines", "shortened", "table_lines", "wrapped"]

_GAP = "  "


def wrapped(text: str, width: int | None, indent: str = "", rest: str | None = None) -> list[str]:
    """Break a text between words; a word that is longer than a line has one of its own.

    Parameters
    ----------
    text
        One paragraph.
    width
        Columns, or `None` for one line.
    indent, rest
        What the first line and the others begin with; `rest` is like `indent` by default.
    """
    rest = indent if rest is None else rest
    if width is None or cell_len(indent + text) <= width:
        return [indent + text]
    lines, line, empty = [], indent, True
    # Not at every blank: names may hold several in a row, and a number keeps its sign.
    for word in re.split(" (?!%)", text):
        if not empty and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, empty = rest, True
        if empty and cell_len(line) + cell_len(word) > width:  # a digest, a path: it moves to the left
            if line.strip():
                lines.append(line.rstrip())
            line = " " * min(len(rest), max(0, width - cell_len(word)))
        line += word if empty else f" {word}"
        empty = False
    return [*lines, line]


def cut(text: str, width: int) -> str:
    """The first words of a text that is longer than a line, and dots."""
    if cell_len(text) <= width:
        return text
    return wrapped(text, width - 4)[0] + " ..."


def shortened(text: str, lines: int, width: int = 58) -> str:
    """A text that takes at most so many lines of a field in a terminal of 80 columns, and dots."""
    parts = wrapped(text, width)
    return text if len(parts) <= lines else " ".join(parts[:lines]) + " ..."


def field_lines(fields: Iterable[tuple[str, str]], width: int | None, label: int = 15) -> list[str]:
    """Lines of labels and values; a long value goes on below its beginning."""
    lines = []
    for name, value in fields:
        lines += wrapped(value, width, f"  {name:<{label}} ", " " * (label + 3))
    return lines


def table_lines(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    below: str | None = None,
    width: int | None = None,
) -> list[str]:
    """Lay out a table: the head's line first.

    Parameters
    ----------
    columns, rows
        Heads and cells.
    right
        Heads of the columns that are set to the right.
    below
        Head of the column that gets a line of its own under its row where the table is too wide; it is
        cut to that line.
    width
        Columns of the terminal, or `None` for as many as the table takes. A table that does not fit
        either way has its cells under each other.
    """
    sizes = [max(cell_len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    full = sum(sizes) + len(_GAP) * (len(columns) - 1)
    if width is None or full <= width:
        return [_row(each, columns, sizes, right) for each in (columns, *rows)]
    if below is not None:
        place = list(columns).index(below)
        head, *short = table_lines(
            _without(columns, place), [_without(row, place) for row in rows], right, width=width
        )
        if len(short) == len(rows):
            under = [_GAP + cut(row[place], width - len(_GAP)) for row in rows]
            return [head, *(line for pair in zip(short, under, strict=True) for line in pair)]
    label = max(cell_len(each) for each in columns[1:]) if columns[1:] else 0
    lines = wrapped(columns[0], width)
    for row in rows:
        lines += wrapped(row[0], width)
        named = [(head, cell) for head, cell in zip(columns[1:], row[1:], strict=True) if cell]
        lines += field_lines(named, width, label)
    return lines


def _without(cells: Sequence[str], place: int) -> list[str]:
    return [*cells[:place], *cells[place + 1 :]]


def _row(cells: Sequence[str], columns: Sequence[str], sizes: Sequence[int], right: Sequence[str]) -> str:
    parts = []
    for cell, column, size in zip(cells, columns, sizes, strict=True):
        space = " " * (size - cell_len(cell))
        parts.append(space + cell if column in right else cell + space)
    return _GAP.join(parts).rstrip()
