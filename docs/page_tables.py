"""Tables that programs write into pages, each between marks that say which program makes it."""

from __future__ import annotations

from pathlib import Path

from sigzoo.common.atomic import write_bytes
from sigzoo.errors import UsageError

__all__ = ["page_with", "write_table"]


def page_with(page: Path, name: str, program: str, table: str) -> str:
    """The text of a page with a table in place of the one of this name that a program has made.

    Raises
    ------
    UsageError
        If the page has no marks of such a table.
    """
    begin, end = f"<!-- {name}: made by {program} -->\n", f"<!-- end of {name} -->"
    before, opened, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise UsageError(f"{page}: has no place for the table: {begin.strip()} and, below, {end}")
    return f"{before}{begin}{table}{end}{after}"


def write_table(page: Path, name: str, program: str, table: str) -> None:
    """Put a table in place of the one of this name that a program has made."""
    write_bytes(page, page_with(page, name, program, table).encode())
