"""References as BibTeX."""

from __future__ import annotations

import re

from sigzoo.registry.cards import Citation

__all__ = ["bibtex"]

_SPECIAL = re.compile(r"[&%$#_{}~^\\]")
_WRITTEN = {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def bibtex(key: str, citation: Citation) -> str:
    """A BibTeX entry, some lines of text; one without authors and title has the whole reference as its note.

    Parameters
    ----------
    key
        What it is cited by.
    citation
        A reference of a registry.
    """
    venue = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}[citation.kind]
    fields = {
        "author": " and ".join(map(_author, citation.authors)),
        "title": f"{{{_latex(citation.title)}}}" if citation.title else "",  # braces keep its capitals
        venue: _latex(citation.venue or ""),
        "pages": (citation.pages or "").replace("-", "--"),
        "year": str(citation.year or ""),
        "doi": citation.doi or "",
        "eprint": citation.arxiv or "",
        "archiveprefix": "arXiv" if citation.arxiv else "",
        "note": "" if citation.title else _latex(citation.text),
    }
    given = [f"  {name} = {{{' '.join(value.split())}}}" for name, value in fields.items() if value]
    return f"@{citation.kind}{{{key},\n" + ",\n".join(given) + "\n}"


def _author(name: str) -> str:
    """A name; that of a group ("The maintainers") goes into braces, or BibTeX takes its last word for all."""
    return f"{{{_latex(name)}}}" if name.startswith("The ") else _latex(name)


def _latex(text: str) -> str:
    """A text with LaTeX's special characters escaped."""
    return _SPECIAL.sub(lambda found: _WRITTEN.get(found[0], f"\\{found[0]}"), text)
