"""HTML as a tree that is written out: every text is escaped, whoever it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from sigzoo.common.terminal import safe_text

__all__ = ["Markup", "join", "tag"]

_VOID = frozenset({"img", "input", "meta", "br"})


class Markup(str):
    """HTML that may stand as it is; made by `tag`, and of texts of this package alone."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element.

    Parameters
    ----------
    name
        Of the element.
    children
        What is in it: elements, and anything else as its text. `None` is left out.
    attributes
        ``class_`` stands for ``class``, other underscores for hyphens; `None` and `False` are left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text("" if value is True else value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Markup:
    """Elements and texts one after the other."""
    return Markup(
        "".join(each if isinstance(each, Markup) else _text(each) for each in children if each is not None)
    )


def _text(value: object) -> str:
    """A text without what would be an element, and without characters that steer or cannot be encoded."""
    text = safe_text(str(value), keep_lines=True)
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"), quote=True)
