"""What messages quote from files: never more than a reader takes in, however much a file holds."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sigzoo.common.limits import LISTED

__all__ = ["counted", "listed", "quoted", "shortened"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and what is counted: ``1 image``, ``2,000 images``, ``3 forgeries``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def quoted(text: object, letters: int = 80) -> str:
    """A name as Python quotes it, cut to some letters.

    Only strings and numbers are taken: of anything else its type is named, for the text of what a file
    made may be longer than any memory.
    """
    if isinstance(text, str):
        return repr(text[:letters]) + ("..." if len(text) > letters else "")
    if text is None or isinstance(text, bool | float):
        return repr(text)
    if isinstance(text, int):
        # Turning a number of many digits into text takes quadratic time.
        return repr(text) if text.bit_length() <= 128 else "a number of many digits"
    return f"a {type(text).__name__}"


def shortened(text: str, letters: int = 80) -> str:
    """A text cut to some letters."""
    return text if len(text) <= letters else f"{text[: letters - 3]}..."


def listed(names: Iterable[object], most: int = LISTED, letters: int = 80) -> str:
    """Join some names; says how many more there are (``'a', 'b' and 7 more``)."""
    found = iter(names)
    shown = [quoted(name, letters) for name in islice(found, most)]
    more = sum(1 for _ in found)
    return ", ".join(shown) + (f" and {more} more" if more else "")
