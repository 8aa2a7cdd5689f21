"""Recognises what servers send instead of a file: HTML pages, Git LFS pointers."""

from __future__ import annotations

import re
from html import unescape

__all__ = ["HEAD", "wrong_content"]

HEAD = 1 << 14
"""Bytes of the beginning that are looked at."""

# A comment ends at its first `-->`: were it free to go on, many comments would cost exponential time.
_HTML = re.compile(r"\s*(<!--((?!-->).)*-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)

_DRIVE_PAGES = (
    (
        ("quota exceeded", "too many users have viewed or downloaded"),
        "Google Drive's quota page: too many downloads of this file; wait a day or use another mirror",
    ),
    (
        ("virus scan warning", "can't scan this file for viruses", "can&#39;t scan this file for viruses"),
        "Google Drive's virus-scan warning page",
    ),
    (("accounts.google.com", "you need access"), "Google's sign-in page: the file is not public"),
)


def wrong_content(head: bytes, content_type: str, filename: str) -> str | None:
    """Say what the beginning of an answer is, if it cannot be the file.

    Parameters
    ----------
    head
        The first bytes, `HEAD` at most.
    content_type
        The header of that name.
    filename
        Name of the wanted file; one that is itself HTML is let through.
    """
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "a Git LFS pointer, not the file itself"
    if filename.lower().endswith((".html", ".htm")):
        return None
    declared = content_type.split(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}
    text = _decoded(head)
    if not declared and not _HTML.match(text):
        return None
    lowered = text.lower()
    for phrases, name in _DRIVE_PAGES:
        if any(phrase in lowered for phrase in phrases):
            return name
    title = _TITLE.search(text)
    called = " ".join(unescape(title.group(1)).split())[:80] if title else ""
    return f"an HTML page titled {called!r}" if called else "an HTML page"


def _decoded(head: bytes) -> str:
    """Read bytes as the text that they are if they begin a page, which is with an ASCII character."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    if head[:1] != b"\0" == head[1:2]:
        return head.decode("utf-16-le", "replace")
    if head[:1] == b"\0" != head[1:2]:
        return head.decode("utf-16-be", "replace")
    return head.decode("utf-8-sig", "replace")
