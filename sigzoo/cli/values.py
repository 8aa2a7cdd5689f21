"""Values as they are written behind an option's name."""

from __future__ import annotations

__all__ = ["number_or_word"]


def number_or_word(text: str) -> int | float | str:
    """A whole number, a number, or else the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
