"""Text from elsewhere made safe to show: nothing that a terminal obeys, no secrets of a URL, not too long."""

from __future__ import annotations

import re

__all__ = ["printable", "redacted", "shortened"]

_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*:?[^/?#\s]*@(?=[^/?#\s@])")
_SECRET = re.compile(
    r"([?&;#][^=&;#\s]*(?:token|key|secret|passw|pwd|sig|auth|credential|session|code|jwt)[^=&;#\s]*=)[^&;#\s'\"]+",
    re.IGNORECASE,
)


def printable(text: str) -> str:
    """Escape what a terminal would obey instead of showing: control characters, line ends and the like."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, length: int = 80) -> str:
    """Cut text that is longer than `length` characters, so that no file decides how long a message is."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def redacted(text: str) -> str:
    """Replace passwords and tokens in the URLs of a text.

    The part before the ``@`` of a host goes whole, as a token may stand where a name does; so do
    the values of parameters whose name speaks of a key, a token, a signature or a password.
    """
    return _SECRET.sub(r"\1***", _USERINFO.sub("***@", text))
