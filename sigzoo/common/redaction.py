"""Passwords and tokens taken out of the URLs of a text, before it is shown or written down."""

from __future__ import annotations

import re

__all__ = ["redacted"]

_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*:?[^/?#\s]*@(?=[^/?#\s@])")
_SECRET = re.compile(
    r"([?&;#][^=&;#\s]*(?:token|key|secret|passw|pwd|sig|auth|credential|session|code|jwt)[^=&;#\s]*=)[^&;#\s'\"]+",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Replace passwords and tokens in the URLs of a text.

    The part before the ``@`` of a host goes whole, as a token may stand where a name does; so do
    the values of parameters whose name speaks of a key, a token, a signature or a password.
    """
    return _SECRET.sub(r"\1***", _USERINFO.sub("***@", text))
