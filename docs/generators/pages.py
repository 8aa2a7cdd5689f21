"""The pages that are made: their contents, their places in the navigation, what fills written ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Content", "Pages", "escaped", "one_line"]

ROOT = Path(__file__).parents[2]
"""The repository."""

Content = str | bytes | Path
"""A text, the bytes of a picture, or the file that holds it."""


@dataclass
class Pages:
    """What the generators have made.

    Attributes
    ----------
    files
        Contents by their place in the site, relative to `docs`.
    groups
        Entries of the navigation, by the name after ``generated:`` in ``mkdocs.yml``.
    fillings
        By the place of a written page what is done to its text.
    """

    files: dict[str, Content] = field(default_factory=dict)
    groups: dict[str, list[Any]] = field(default_factory=dict)
    fillings: dict[str, Callable[[str], str]] = field(default_factory=dict)


def one_line(text: str) -> str:
    """A text as a cell of a table."""
    return re.sub(r"\s+", " ", text.replace("``", "`").replace("|", "\\|")).strip()


def escaped(text: str) -> str:
    """A plain text as Markdown; what stands in backticks is code."""
    parts = re.split(r"(`[^`]+`)", text.replace("``", "`"))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_<>\[\]#|])", r"\\\1", part) for part in parts
    )
