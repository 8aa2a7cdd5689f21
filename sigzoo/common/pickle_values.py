"""What the pickle interpreter makes: names, texts, and a measure of every container that it builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigzoo.common.limits import MAX_CONTAINERS, MAX_DEPTH, MAX_NAME, MAX_PARTS

__all__ = ["Extents", "Global", "LongText", "as_text"]


@dataclass(frozen=True)
class Global:
    """The name of something importable, as the file spells it; it is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class LongText:
    """A text that is too long to be a name: the bytes of an array, as Python 3 writes them for Python 2."""

    raw: memoryview
    encoding: str

    def __len__(self) -> int:
        return len(self.raw)

    def decode(self) -> str:
        """The text; takes up to four times the memory of `raw`."""
        return str(self.raw, self.encoding)


def as_text(string: object) -> str:
    """Decode a short string of either Python; Python 2's as Latin-1.

    Raises
    ------
    ValueError
        If it is no string, or a long one.
    """
    if isinstance(string, str):
        return string
    if not isinstance(string, memoryview) or len(string) > MAX_NAME:
        raise ValueError(f"has a {type(string).__name__} where a short name belongs")
    return str(string, "latin-1")


class Extents:
    """Depth and size of the containers of one pickle, known without ever walking through one.

    A container may grow until it is put into another, as every pickler writes them; none can so
    come to hold itself, and the two numbers of a finished one never change.
    """

    def __init__(self) -> None:
        self._extents: dict[int, tuple[int, int]] = {}
        self._inside: set[int] = set()
        # An id means its object only while that is alive.
        self._alive: list[object] = []

    def add(self, container: object, parts: Sequence[object]) -> None:
        """Count parts that a container gets.

        Raises
        ------
        ValueError
            If it becomes too deep or too large, or lies in another container already.
        """
        if not parts:
            return
        key = id(container)
        if key in self._inside:
            raise ValueError("changes an object that is part of another already")
        depth, count = self._of(container)
        for part in parts:
            if part is container:
                raise ValueError("puts an object into itself")
            below, within = self._of(part) if isinstance(part, list | tuple | dict) else (0, 1)
            depth, count = max(depth, below + 1), count + within
            if below:
                self._inside.add(id(part))
        if depth > MAX_DEPTH:
            raise ValueError(f"is nested over {MAX_DEPTH} deep")
        if count > MAX_PARTS:
            raise ValueError(f"makes an object of over {MAX_PARTS} parts")
        self._extents[key] = depth, count

    def _of(self, container: object) -> tuple[int, int]:
        key = id(container)
        if key not in self._extents:
            if len(self._alive) == MAX_CONTAINERS:
                raise ValueError(f"makes over {MAX_CONTAINERS} tuples, lists and dicts")
            self._alive.append(container)
            self._extents[key] = (1, 1)
        return self._extents[key]
