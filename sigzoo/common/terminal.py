"""Text made safe for a terminal, whatever bytes a file name or a registry holds."""

from __future__ import annotations

import unicodedata

__all__ = ["safe_text"]

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b"}


def safe_text(text: object, *, keep_lines: bool = False) -> str:
    r"""Write what would steer a terminal, break a line or not be encoded as its escape.

    Control characters (C0, C1, DEL) and what Unicode has beside them for direction and lines become
    ``\x1b``, ``\u202e``; bytes of a file name that are no UTF-8 (surrogates) become ``\xe9``.

    Parameters
    ----------
    text
        A text, or a path or bytes, which is made one.
    keep_lines
        Whether line breaks stay, for messages of several lines.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return "".join(
        letter if letter.isprintable() or (keep_lines and letter == "\n") else _escaped(letter)
        for letter in str(text)
    )


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if letter in _NAMED:
        return _NAMED[letter]
    if unicodedata.category(letter) == "Zs":
        return letter
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
