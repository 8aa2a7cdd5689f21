"""Values as they are written behind an option's name."""

from __future__ import annotations

import click

__all__ = ["number_or_word", "whole_numbers"]


def whole_numbers(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Whole numbers, separated by commas: the callback of an option."""
    parts = [] if value is None else value.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 6 for part in parts):
        raise click.BadParameter("expected whole numbers, separated by commas, such as 1,3,5.")
    return tuple(int(part) for part in parts)


def number_or_word(text: str) -> int | float | str:
    """A whole number, a number, or else the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
